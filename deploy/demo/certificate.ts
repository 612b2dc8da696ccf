import "reflect-metadata";
import { webcrypto } from "node:crypto";
import { existsSync, mkdirSync, writeFileSync } from "node:fs";
import { isIP } from "node:net";
import { join } from "node:path";
import * as x509 from "@peculiar/x509";

const YEARS_10_MILLIS = 10 * 365 * 86_400_000;
const algorithm = { name: "ECDSA", namedCurve: "P-256", hash: "SHA-256" } as const;

/** A self-signed certificate for a server of the demo: whoever is to verify it is given the certificate itself as authority. */
export async function ensureCertificate(directory: string, names: readonly string[]): Promise<{ readonly certFile: string; readonly keyFile: string }> {
  const certFile = join(directory, "server.crt");
  const keyFile = join(directory, "server.key");
  if (existsSync(certFile) && existsSync(keyFile)) return { certFile, keyFile };
  mkdirSync(directory, { recursive: true });
  const keys = await webcrypto.subtle.generateKey(algorithm, true, ["sign", "verify"]);
  const certificate = await x509.X509CertificateGenerator.createSelfSigned({
    name: "CN=Sallyport demo database",
    notBefore: new Date(Date.now() - 3_600_000),
    notAfter: new Date(Date.now() + YEARS_10_MILLIS),
    keys,
    signingAlgorithm: algorithm,
    extensions: [
      new x509.BasicConstraintsExtension(true, 0, true),
      new x509.SubjectAlternativeNameExtension(names.map((value) => ({ type: isIP(value) === 0 ? ("dns" as const) : ("ip" as const), value }))),
    ],
  });
  const key = Buffer.from(await webcrypto.subtle.exportKey("pkcs8", keys.privateKey)).toString("base64");
  writeFileSync(keyFile, `-----BEGIN PRIVATE KEY-----\n${key.match(/.{1,64}/g)?.join("\n") ?? ""}\n-----END PRIVATE KEY-----\n`, { mode: 0o600 });
  writeFileSync(certFile, `${certificate.toString("pem")}\n`);
  return { certFile, keyFile };
}
