import "reflect-metadata";
import { webcrypto, X509Certificate as NodeCertificate } from "node:crypto";
import { writeFileSync } from "node:fs";
import { isIP } from "node:net";
import { join } from "node:path";
import { BasicConstraintsExtension, PemConverter, SubjectAlternativeNameExtension, X509CertificateGenerator } from "@peculiar/x509";

const algorithm = { name: "ECDSA", namedCurve: "P-256", hash: "SHA-256" } as const;
const DAY_MS = 86_400_000;

/** PEM files of a server certificate and of the authority that signed it. */
export interface TestCertificate {
  readonly caFile: string;
  readonly certFile: string;
  readonly keyFile: string;
  /** SHA-256 of the server certificate, colons between the bytes. */
  readonly fingerprint: string;
}

/** A throwaway authority and a server certificate for `names` (host names and addresses), in `folder`; valid for a day unless told otherwise. */
export async function testCertificate(folder: string, names: readonly string[] = ["localhost", "127.0.0.1"], days = 1): Promise<TestCertificate> {
  const notBefore = new Date(Date.now() - 2 * DAY_MS);
  const notAfter = new Date(Date.now() + days * DAY_MS);
  const caKeys = await webcrypto.subtle.generateKey(algorithm, true, ["sign", "verify"]);
  const ca = await X509CertificateGenerator.createSelfSigned({
    name: "CN=Test authority",
    keys: caKeys,
    notBefore,
    notAfter,
    signingAlgorithm: algorithm,
    extensions: [new BasicConstraintsExtension(true, 0, true)],
  });
  const keys = await webcrypto.subtle.generateKey(algorithm, true, ["sign", "verify"]);
  const certificate = await X509CertificateGenerator.create({
    subject: `CN=${names[0] ?? "nobody"}`,
    issuer: ca.subject,
    publicKey: keys.publicKey,
    signingKey: caKeys.privateKey,
    notBefore,
    notAfter,
    signingAlgorithm: algorithm,
    extensions: [new SubjectAlternativeNameExtension(names.map((value) => ({ type: isIP(value) === 0 ? "dns" : "ip", value })))],
  });
  const files = { caFile: join(folder, "ca.crt"), certFile: join(folder, "server.crt"), keyFile: join(folder, "server.key") };
  writeFileSync(files.caFile, ca.toString("pem"));
  writeFileSync(files.certFile, certificate.toString("pem"));
  writeFileSync(files.keyFile, PemConverter.encode(await webcrypto.subtle.exportKey("pkcs8", keys.privateKey), "PRIVATE KEY"), { mode: 0o600 });
  return { ...files, fingerprint: new NodeCertificate(certificate.toString("pem")).fingerprint256 };
}
