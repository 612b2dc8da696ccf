import { createPrivateKey, type KeyObject, sign, X509Certificate } from "node:crypto";
import type { Attestation, Attested } from "@sallyport/proto/gen/sallyport/tunnel/v1/tunnel";
import { signedBytes } from "@sallyport/proto/tunnel/forwarding-statement";
import type { Logger } from "pino";
import type { AgentIdentity } from "../link/identity-store.ts";
import { ForwardingTally } from "./forwarding-tally.ts";

/** What is not stated yet can be denied for as long as this. */
export const ATTEST_INTERVAL_MS = 10_000;
/** Statements that the control plane has not heard, 1 KiB each: what 10,000 sessions leave behind while it is away. */
export const MAX_UNHEARD_STATEMENTS = 10_000;

interface Session {
  readonly tally: ForwardingTally;
  sequence: number;
  stated: number;
}

interface Signer {
  readonly agentId: string;
  readonly key: KeyObject;
  readonly certificate: Buffer;
}

/** May leave one unsent when the link takes no more now. */
type Send = (attestation: Attestation) => void;

/**
 * Signs what this agent has forwarded, so that the ledger can be held against it.
 *
 * N1. Every session that forwarded anything is stated when it ends, and every ATTEST_INTERVAL_MS while there is something new.
 * N2. A statement is made again, at the same pace and on each new link, until the control plane says that it is durable, or a
 *     later one of the session takes its place.
 * N3. What waits to be heard is bounded: beyond MAX_UNHEARD_STATEMENTS the oldest is given up, and that is logged.
 */
export class Attestor {
  readonly #log: Logger;
  readonly #now: () => Date;
  readonly #sessions = new Map<string, Session>();
  /** By session, oldest first. */
  readonly #unheard = new Map<string, Attestation>();
  readonly #timer: NodeJS.Timeout;
  #signer: Signer;
  #send: Send | undefined;

  constructor(identity: AgentIdentity, log: Logger, options: { readonly now?: () => Date; readonly intervalMs?: number } = {}) {
    this.#log = log;
    this.#now = options.now ?? (() => new Date());
    this.#signer = signerOf(identity);
    this.#timer = setInterval(() => this.#state(), options.intervalMs ?? ATTEST_INTERVAL_MS).unref();
  }

  /** From now on signs with this identity's key. */
  use(identity: AgentIdentity): void {
    this.#signer = signerOf(identity);
  }

  open(sessionId: string): ForwardingTally {
    const tally = new ForwardingTally(() => this.#ended(sessionId, session));
    const session: Session = { tally, sequence: 0, stated: 0 };
    this.#sessions.set(sessionId, session);
    return tally;
  }

  /** A link is up. The answer is to be called when it is not any more. */
  linked(send: Send): () => void {
    this.#send = send;
    for (const attestation of this.#unheard.values()) send(attestation);
    return () => {
      if (this.#send === send) this.#send = undefined;
    };
  }

  heard({ sessionId, sequence }: Attested): void {
    if ((this.#unheard.get(sessionId)?.sequence ?? Infinity) <= sequence) this.#unheard.delete(sessionId);
  }

  close(): void {
    clearInterval(this.#timer);
  }

  #state(): void {
    for (const attestation of this.#unheard.values()) this.#send?.(attestation);
    for (const [sessionId, session] of this.#sessions) if (session.tally.bytes > session.stated) this.#attest(sessionId, session, false);
  }

  #ended(sessionId: string, session: Session): void {
    this.#sessions.delete(sessionId);
    if (session.tally.bytes > 0) this.#attest(sessionId, session, true);
  }

  #attest(sessionId: string, session: Session, final: boolean): void {
    const { commands, bytes, digest } = session.tally.forwarded();
    const { agentId, key, certificate } = this.#signer;
    const at = this.#now();
    const sequence = ++session.sequence;
    session.stated = bytes;
    const statement = { agentId, sessionId, sequence, commands, bytes, digest, final, at: at.toISOString() };
    const attestation: Attestation = {
      sessionId,
      sequence,
      commands: BigInt(commands),
      bytes: BigInt(bytes),
      digest: Buffer.from(digest, "hex"),
      final,
      at,
      certificate,
      signature: sign("sha256", signedBytes(statement), key),
    };
    this.#unheard.delete(sessionId);
    this.#unheard.set(sessionId, attestation);
    this.#bound();
    this.#send?.(attestation);
  }

  #bound(): void {
    const [oldest] = this.#unheard.keys();
    if (this.#unheard.size <= MAX_UNHEARD_STATEMENTS || oldest === undefined) return;
    this.#unheard.delete(oldest);
    this.#log.error({ session: oldest }, "too many statements are unheard; the oldest is given up");
  }
}

const signerOf = ({ agentId, keyPem, certPem }: AgentIdentity): Signer => ({
  agentId,
  key: createPrivateKey(keyPem),
  certificate: new X509Certificate(certPem).raw,
});
