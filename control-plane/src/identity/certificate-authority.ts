import "reflect-metadata";
import { createHash, createPrivateKey, KeyObject, X509Certificate as NodeCertificate, randomBytes, webcrypto } from "node:crypto";
import { isIP } from "node:net";
import {
  AuthorityKeyIdentifierExtension,
  BasicConstraintsExtension,
  ExtendedKeyUsage,
  ExtendedKeyUsageExtension,
  type Extension,
  KeyUsageFlags,
  KeyUsagesExtension,
  Pkcs10CertificateRequest,
  type PublicKey,
  SubjectAlternativeNameExtension,
  SubjectKeyIdentifierExtension,
  X509Certificate,
  X509CertificateGenerator,
} from "@peculiar/x509";
import { SallyportError } from "@sallyport/proto/errors";
import type { Clock, IssuedCertificate } from "../application/ports.ts";
import type { TlsCredential } from "../grpc/listen.ts";
import { loadOrCreateFiles } from "./certificate-authority-files.ts";

/** Agents renew at half of it; a stolen key is worth a day at most. */
export const AGENT_CERTIFICATE_LIFETIME_MS = 24 * 3_600_000;
/** Issued anew at each start of the control plane, and halfway to its end (`server-certificate.ts`); 397 days is the most that TLS clients accept from anyone. */
export const SERVER_CERTIFICATE_LIFETIME_MS = 397 * 24 * 3_600_000;
/** Replacing the CA means enrolling every agent anew. */
export const CA_LIFETIME_MS = 10 * 365 * 24 * 3_600_000;
/** Clocks of two machines differ; a certificate must not be from the future on the other one. */
export const BACKDATED_MS = 5 * 60_000;
/** A PKCS #10 request with an EC key is about 300 bytes; nothing near this is one. */
export const MAX_CERTIFICATE_REQUEST_BYTES = 8_192;

const KEY_ALGORITHM = { name: "ECDSA", namedCurve: "P-256" } as const;
const SIGNATURE = { name: "ECDSA", hash: "SHA-256" } as const;
const AGENT_URI_PREFIX = "spiffe://sallyport/agent/";
const AGENT_ID = /^[\w.-]{1,128}$/u;

export interface CertificateAuthorityOptions {
  readonly clock?: Clock;
  readonly agentLifetimeMs?: number;
}

export interface SignedAgent extends IssuedCertificate {
  readonly der: Buffer;
}

/**
 * The control plane's own CA: it signs agents and the control plane's listeners, and nothing else.
 * Owns `ca.key` and `ca.crt` of its directory, which it makes when there are none.
 */
export class CertificateAuthority {
  readonly caPem: string;
  readonly caDer: Buffer;
  /** SHA-256 of the DER, lower-case hex: what a join token carries. */
  readonly caFingerprint: string;
  readonly #certificate: X509Certificate;
  readonly #key: webcrypto.CryptoKey;
  readonly #now: () => Date;
  readonly #agentLifetimeMs: number;

  private constructor(certificate: X509Certificate, key: webcrypto.CryptoKey, options: CertificateAuthorityOptions) {
    this.#certificate = certificate;
    this.#key = key;
    this.#now = () => options.clock?.now() ?? new Date();
    this.#agentLifetimeMs = options.agentLifetimeMs ?? AGENT_CERTIFICATE_LIFETIME_MS;
    this.caDer = Buffer.from(certificate.rawData);
    this.caPem = `${certificate.toString("pem")}\n`;
    this.caFingerprint = fingerprintOf(this.caDer);
  }

  /** Fails with `config.invalid` when what is in the directory is not one CA with its key. */
  static async open(directory: string, options: CertificateAuthorityOptions = {}): Promise<CertificateAuthority> {
    const files = await loadOrCreateFiles(directory, () => createAuthority(options.clock?.now() ?? new Date()));
    try {
      const certificate = new X509Certificate(files.certPem);
      const key = await importKey(files.keyPem);
      requirePair(files.certPem, files.keyPem);
      return new CertificateAuthority(certificate, key, options);
    } catch (error) {
      throw new SallyportError("config.invalid", "ca.key and ca.crt are not an EC P-256 CA and its key.", { directory }, error);
    }
  }

  /**
   * For a listener of the control plane. A name that is an IP address becomes an address in the certificate. The CA follows the leaf, so
   * that an agent that knows only the CA's fingerprint can find it in the handshake.
   */
  async issueServer(names: readonly string[]): Promise<TlsCredential> {
    const keys = await webcrypto.subtle.generateKey(KEY_ALGORITHM, true, ["sign", "verify"]);
    const certificate = await this.#issue(keys.publicKey, SERVER_CERTIFICATE_LIFETIME_MS, [
      new ExtendedKeyUsageExtension([ExtendedKeyUsage.serverAuth], true),
      new SubjectAlternativeNameExtension(
        names.map((name) => ({ type: isIP(name) === 0 ? ("dns" as const) : ("ip" as const), value: name })),
        true, // as RFC 5280 wants it beside an empty subject
      ),
    ]);
    return { certPem: `${certificate.toString("pem")}\n${this.caPem}`, keyPem: exportKey(keys.privateKey) };
  }

  /** Whether `signAgent` would sign it. Fails with `input.invalid`. */
  async checkRequest(csrDer: Buffer): Promise<void> {
    await checkedRequest(csrDer);
  }

  /** Takes the key from the request and nothing else: name and rights are ours to give. Fails with `input.invalid`. */
  async signAgent(csrDer: Buffer, agentId: string): Promise<SignedAgent> {
    if (!AGENT_ID.test(agentId)) throw new Error("An agent id must fit a URI.");
    const { publicKey } = await checkedRequest(csrDer);
    const certificate = await this.#issue(publicKey, this.#agentLifetimeMs, [
      new ExtendedKeyUsageExtension([ExtendedKeyUsage.clientAuth], true),
      new SubjectAlternativeNameExtension([{ type: "url", value: AGENT_URI_PREFIX + agentId }], true),
    ]);
    const der = Buffer.from(certificate.rawData);
    return { der, serial: certificate.serialNumber, fingerprint: fingerprintOf(der), notBefore: certificate.notBefore, notAfter: certificate.notAfter };
  }

  /** Whether this DER is a certificate that this CA gave to this agent, be it still valid or not. */
  certifies(der: Buffer, agentId: string): boolean {
    try {
      const certificate = new NodeCertificate(der);
      return agentIdOf(certificate.subjectAltName) === agentId && certificate.verify(new NodeCertificate(this.caDer).publicKey);
    } catch {
      return false;
    }
  }

  async #issue(publicKey: webcrypto.CryptoKey | PublicKey, lifetimeMs: number, extensions: readonly Extension[]): Promise<X509Certificate> {
    const now = this.#now().getTime();
    return X509CertificateGenerator.create({
      serialNumber: newSerial(),
      issuer: this.#certificate.subject,
      notBefore: new Date(now - BACKDATED_MS),
      notAfter: new Date(now + lifetimeMs),
      publicKey,
      signingKey: this.#key,
      signingAlgorithm: SIGNATURE,
      extensions: [
        new BasicConstraintsExtension(false, undefined, true),
        new KeyUsagesExtension(KeyUsageFlags.digitalSignature, true),
        await AuthorityKeyIdentifierExtension.create(this.#certificate.publicKey),
        await SubjectKeyIdentifierExtension.create(publicKey),
        ...extensions,
      ],
    });
  }
}

/** The agent's id in a certificate that the TLS layer has verified, undefined when it is not an agent's. */
export function agentIdOf(subjectAltName: string | undefined): string | undefined {
  const prefix = `URI:${AGENT_URI_PREFIX}`;
  if (subjectAltName === undefined || !subjectAltName.startsWith(prefix)) return undefined;
  const id = subjectAltName.slice(prefix.length);
  return AGENT_ID.test(id) ? id : undefined;
}

export const fingerprintOf = (der: Uint8Array): string => createHash("sha256").update(der).digest("hex");

/** 128 random bits; the first is cleared because a serial is positive, the second set because it has no leading zero. */
function newSerial(): string {
  const bytes = randomBytes(16);
  bytes[0] = ((bytes[0] ?? 0) & 0x7f) | 0x40;
  return bytes.toString("hex");
}

async function checkedRequest(csrDer: Buffer): Promise<Pkcs10CertificateRequest> {
  if (csrDer.length === 0 || csrDer.length > MAX_CERTIFICATE_REQUEST_BYTES) throw invalidRequest();
  let request: Pkcs10CertificateRequest;
  let proven: boolean;
  try {
    request = new Pkcs10CertificateRequest(csrDer);
    proven = isP256(request.publicKey) && (await request.verify());
  } catch (error) {
    throw invalidRequest(error);
  }
  if (!proven) throw invalidRequest();
  return request;
}

const isP256 = ({ algorithm }: { readonly algorithm: { readonly name: string; readonly namedCurve?: unknown } }): boolean =>
  algorithm.name === KEY_ALGORITHM.name && algorithm.namedCurve === KEY_ALGORITHM.namedCurve;

const invalidRequest = (cause?: unknown): SallyportError =>
  new SallyportError("input.invalid", "The certificate request does not parse, is not for an EC P-256 key, or does not prove possession of it.", {}, cause);

async function createAuthority(now: Date): Promise<{ certPem: string; keyPem: string }> {
  const keys = await webcrypto.subtle.generateKey(KEY_ALGORITHM, true, ["sign", "verify"]);
  const certificate = await X509CertificateGenerator.createSelfSigned({
    serialNumber: newSerial(),
    name: `CN=Sallyport CA ${randomBytes(4).toString("hex")}`,
    notBefore: new Date(now.getTime() - BACKDATED_MS),
    notAfter: new Date(now.getTime() + CA_LIFETIME_MS),
    keys,
    signingAlgorithm: SIGNATURE,
    extensions: [
      new BasicConstraintsExtension(true, 0, true),
      new KeyUsagesExtension(KeyUsageFlags.keyCertSign | KeyUsageFlags.cRLSign, true),
      await SubjectKeyIdentifierExtension.create(keys.publicKey),
    ],
  });
  return { certPem: `${certificate.toString("pem")}\n`, keyPem: exportKey(keys.privateKey) };
}

const exportKey = (key: webcrypto.CryptoKey): string => String(KeyObject.from(key).export({ format: "pem", type: "pkcs8" }));

function requirePair(certPem: string, keyPem: string): void {
  const certificate = new NodeCertificate(certPem);
  if (!certificate.ca || !certificate.checkPrivateKey(createPrivateKey(keyPem))) throw new Error("not a CA, or not its key");
}

async function importKey(keyPem: string): Promise<webcrypto.CryptoKey> {
  const der = createPrivateKey(keyPem).export({ format: "der", type: "pkcs8" });
  return webcrypto.subtle.importKey("pkcs8", der, KEY_ALGORITHM, false, ["sign"]);
}
