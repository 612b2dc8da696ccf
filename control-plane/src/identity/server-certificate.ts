import { X509Certificate } from "node:crypto";
import { createSecureContext, type SecureContext } from "node:tls";
import { experimental, type ServerCredentials } from "@grpc/grpc-js";
import type { Logger } from "pino";
import type { Clock } from "../application/ports.ts";
import type { Scheduler } from "../application/scheduler.ts";
import type { TlsCredential } from "../grpc/listen.ts";
import { type CertificateAuthority, SERVER_CERTIFICATE_LIFETIME_MS } from "./certificate-authority.ts";

/** Between two looks at how old it is: by the clock, since timers know nothing of a machine that slept. */
export const CERTIFICATE_CHECK_MS = 24 * 3_600_000;
/** A renewal that fails is tried again daily for half a year before anybody is turned away. */
export const RENEW_BEFORE_END_MS = SERVER_CERTIFICATE_LIFETIME_MS / 2;
/** Replacing the CA means enrolling every agent anew, which wants planning. */
export const WARN_BEFORE_CA_ENDS_MS = 180 * 24 * 3_600_000;

type IdentityListener = Parameters<experimental.CertificateProvider["addIdentityCertificateListener"]>[0];
type CaListener = Parameters<experimental.CertificateProvider["addCaCertificateListener"]>[0];

export interface ServerCertificateDeps {
  readonly ca: Pick<CertificateAuthority, "issueServer" | "caPem">;
  readonly names: readonly string[];
  readonly clock: Clock;
  readonly scheduler: Scheduler;
  readonly log: Logger;
}

/**
 * The certificate of the control plane's listeners, and its successors.
 *
 * S1. Every listener presents the latest one to whoever connects; connections that are there keep theirs.
 * S2. It is renewed halfway to its end. While that fails the old one is presented, and the log says so each day.
 */
export class ServerCertificate {
  readonly #deps: ServerCertificateDeps;
  readonly #listeners = new Set<IdentityListener>();
  #credential: TlsCredential;
  #context: SecureContext;
  #cancel: () => void = () => undefined;
  #checking: Promise<void> = Promise.resolve();

  private constructor(deps: ServerCertificateDeps, credential: TlsCredential) {
    this.#deps = deps;
    this.#credential = credential;
    this.#context = contextOf(credential);
    this.#warnOfCa();
    this.#schedule();
  }

  static async issue(deps: ServerCertificateDeps): Promise<ServerCertificate> {
    return new ServerCertificate(deps, await deps.ca.issueServer(deps.names));
  }

  get credential(): TlsCredential {
    return this.#credential;
  }

  /** For TLS that is spoken without a listener of its own. */
  get secureContext(): SecureContext {
    return this.#context;
  }

  /** For one gRPC server. `mutual`: it takes only clients with a certificate of the same CA. */
  grpcCredentials({ mutual = false }: { readonly mutual?: boolean } = {}): ServerCredentials {
    return experimental.createCertificateProviderServerCredentials(this.#provider(), mutual ? this.#provider() : null, mutual);
  }

  /** Resolves when no renewal is under way. */
  idle(): Promise<void> {
    return this.#checking;
  }

  async close(): Promise<void> {
    this.#cancel();
    await this.#checking;
  }

  #schedule(): void {
    this.#cancel = this.#deps.scheduler.after(CERTIFICATE_CHECK_MS, () => {
      this.#schedule();
      this.#checking = this.#check();
    });
  }

  async #check(): Promise<void> {
    const { ca, names, clock, log } = this.#deps;
    this.#warnOfCa();
    const endsAt = endOf(this.#credential.certPem);
    if (endsAt.getTime() - clock.now().getTime() > RENEW_BEFORE_END_MS) return;
    try {
      const credential = await ca.issueServer(names);
      this.#context = contextOf(credential);
      this.#credential = credential;
      for (const listener of this.#listeners) listener(identityOf(credential));
      log.info({ endsAt: endOf(credential.certPem) }, "the certificate of the listeners was renewed");
    } catch (error) {
      log.error({ err: error, endsAt }, "the certificate of the listeners could not be renewed; it is tried again in a day");
    }
  }

  #warnOfCa(): void {
    const { ca, clock, log } = this.#deps;
    const endsAt = endOf(ca.caPem);
    if (endsAt.getTime() - clock.now().getTime() > WARN_BEFORE_CA_ENDS_MS) return;
    log.warn({ endsAt }, "the control plane's CA ends soon: no agent is trusted after that; plan a new one, and to enrol every agent anew");
  }

  /** gRPC wants to hear the first certificate after it began to listen for it, not while it does. */
  #provider(): experimental.CertificateProvider {
    const { caPem } = this.#deps.ca;
    const caListeners = new Set<CaListener>();
    return {
      addCaCertificateListener: (listener) => {
        caListeners.add(listener);
        queueMicrotask(() => {
          if (caListeners.has(listener)) listener({ caCertificate: Buffer.from(caPem) });
        });
      },
      removeCaCertificateListener: (listener) => void caListeners.delete(listener),
      addIdentityCertificateListener: (listener) => {
        this.#listeners.add(listener);
        queueMicrotask(() => {
          if (this.#listeners.has(listener)) listener(identityOf(this.#credential));
        });
      },
      removeIdentityCertificateListener: (listener) => void this.#listeners.delete(listener),
    };
  }
}

/** Of the first one in it: the leaf. */
const endOf = (pem: string): Date => new Date(new X509Certificate(pem).validTo);

const identityOf = ({ certPem, keyPem }: TlsCredential): { readonly certificate: Buffer; readonly privateKey: Buffer } => ({
  certificate: Buffer.from(certPem),
  privateKey: Buffer.from(keyPem),
});

const contextOf = ({ certPem, keyPem }: TlsCredential): SecureContext => createSecureContext({ cert: certPem, key: keyPem, minVersion: "TLSv1.2" });
