import "reflect-metadata";
import { createPrivateKey, KeyObject, webcrypto, X509Certificate } from "node:crypto";
import { Pkcs10CertificateRequestGenerator } from "@peculiar/x509";
import { SallyportError } from "@sallyport/proto/errors";

export interface CertificateRequest {
  /** PKCS #10, DER. The name in it is empty: whose it is, the control plane says. */
  readonly der: Buffer;
  readonly keyPem: string;
}

/** A new key pair, and the proof of possessing it. The key goes nowhere but into the state folder. */
export async function newCertificateRequest(): Promise<CertificateRequest> {
  const keys = await webcrypto.subtle.generateKey({ name: "ECDSA", namedCurve: "P-256" }, true, ["sign", "verify"]);
  const request = await Pkcs10CertificateRequestGenerator.create({ keys, signingAlgorithm: { name: "ECDSA", hash: "SHA-256" } });
  return { der: Buffer.from(request.rawData), keyPem: String(KeyObject.from(keys.privateKey).export({ format: "pem", type: "pkcs8" })) };
}

/** The certificate as PEM, if it is for our key and from our CA. Fails with `join.invalid`. */
export function checkedCertificate(der: Buffer, { keyPem }: CertificateRequest, caPem: string): string {
  try {
    const certificate = new X509Certificate(der);
    if (certificate.checkPrivateKey(createPrivateKey(keyPem)) && certificate.verify(new X509Certificate(caPem).publicKey)) return certificate.toString();
  } catch (error) {
    throw unusable(error);
  }
  throw unusable();
}

const unusable = (cause?: unknown): SallyportError =>
  new SallyportError("join.invalid", "The control plane answered with a certificate that is not for this agent's key, or not from its own CA.", {}, cause);
