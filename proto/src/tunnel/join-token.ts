import { SallyportError } from "../errors.ts";
import { MAX_JOIN_TOKEN_CHARS } from "./limits.ts";

/** What a new agent needs to find the control plane, to know it, and to be let in once. */
export interface JoinToken {
  /** host:port of the control plane's API. */
  readonly address: string;
  /** SHA-256 of the CA certificate's DER, lower-case hex. */
  readonly caFingerprint: string;
  readonly agentName: string;
  readonly secret: string;
}

const PREFIX = "sjt1.";
const FINGERPRINT = /^[0-9a-f]{64}$/u;
const BASE64URL = /^[\w-]+$/u;

/** `sjt1.` and base64url of JSON {a: address, f: fingerprint, n: name, s: secret}. */
export function encodeJoinToken(token: JoinToken): string {
  const fields = { a: token.address, f: token.caFingerprint, n: token.agentName, s: token.secret };
  return PREFIX + Buffer.from(JSON.stringify(fields)).toString("base64url");
}

/** Fails with `join.invalid`, and never quotes the token. */
export function decodeJoinToken(text: string): JoinToken {
  const fields = parse(text.trim());
  const address = field(fields, "a");
  const caFingerprint = field(fields, "f");
  const agentName = field(fields, "n");
  const secret = field(fields, "s");
  if (!FINGERPRINT.test(caFingerprint)) throw invalid();
  return { address, caFingerprint, agentName, secret };
}

function parse(text: string): object {
  const body = text.slice(PREFIX.length);
  if (text.length > MAX_JOIN_TOKEN_CHARS || !text.startsWith(PREFIX) || !BASE64URL.test(body)) throw invalid();
  let fields: unknown;
  try {
    fields = JSON.parse(Buffer.from(body, "base64url").toString("utf8"));
  } catch {
    throw invalid(); // without the parser's message: it quotes its input
  }
  if (typeof fields !== "object" || fields === null) throw invalid();
  return fields;
}

function field(fields: object, name: string): string {
  const value: unknown = Reflect.get(fields, name);
  if (typeof value !== "string" || value === "") throw invalid();
  return value;
}

const invalid = (): SallyportError => new SallyportError("join.invalid", "This is not a join token, or part of it is missing.");
