import { createHash, createHmac, pbkdf2, timingSafeEqual } from "node:crypto";
import { promisify } from "node:util";
import { saslprep } from "./saslprep.ts";

/**
 * The client's half of SCRAM-SHA-256 and SCRAM-SHA-256-PLUS (RFC 5802, RFC 7677). No I/O.
 *
 *   client  n,,n=<user>,r=<nonce>
 *   server  r=<nonce><more>,s=<salt>,i=<iterations>
 *   client  c=<base64 of the gs2 header and the binding>,r=<both nonces>,p=<proof>
 *   server  v=<signature>
 *
 * S1. The server's nonce must extend ours, so that an old exchange cannot be played back to us.
 * S2. The server's signature must verify: a server that does not know the password learns nothing useful and is refused.
 */

/** A hostile server names any number of rounds; this many take about half a second of one thread. PostgreSQL's default is 4,096. */
export const MAX_SCRAM_ITERATIONS = 1_000_000;

export const SCRAM_SHA_256 = "SCRAM-SHA-256";
export const SCRAM_SHA_256_PLUS = "SCRAM-SHA-256-PLUS";

export interface ScramInput {
  /** PostgreSQL takes the user from the startup packet and ignores this one; the empty name is what its own clients send. */
  readonly user: string;
  readonly password: string;
  readonly nonce: string;
  /** Hash of the server's certificate (tls-server-end-point, RFC 5929): set for PLUS only. */
  readonly channelBinding?: Buffer | undefined;
}

export interface ScramFinal {
  readonly message: string;
  /** What the server must answer. */
  readonly signature: Buffer;
}

export class ScramViolation extends Error {
  override readonly name = "ScramViolation";
}

const derive = promisify(pbkdf2);
const hmac = (key: Buffer, text: string): Buffer => createHmac("sha256", key).update(text).digest();

const gs2Header = (input: ScramInput): string => (input.channelBinding === undefined ? "n,," : "p=tls-server-end-point,,");
const clientFirstBare = ({ user, nonce }: ScramInput): string => `n=${user.replaceAll("=", "=3D").replaceAll(",", "=2C")},r=${nonce}`;

export const clientFirst = (input: ScramInput): string => `${gs2Header(input)}${clientFirstBare(input)}`;

/** Answers the server's first message. Throws `ScramViolation` on one that the protocol does not allow. */
export async function clientFinal(input: ScramInput, serverFirst: string): Promise<ScramFinal> {
  const fields = /^r=([\x21-\x2b\x2d-\x7e]+),s=([A-Za-z0-9+/]+={0,2}),i=([1-9][0-9]{0,9})(?:,.*)?$/.exec(serverFirst);
  const [, nonce = "", salt = "", rounds = ""] = fields ?? [];
  if (fields === null) throw new ScramViolation("malformed server challenge");
  if (!nonce.startsWith(input.nonce) || nonce.length === input.nonce.length) throw new ScramViolation("the server's nonce does not extend ours");
  const iterations = Number(rounds);
  if (iterations > MAX_SCRAM_ITERATIONS) throw new ScramViolation(`${iterations} iterations are over the bound of ${MAX_SCRAM_ITERATIONS}`);

  const salted = await derive(saslprep(input.password), Buffer.from(salt, "base64"), iterations, 32, "sha256");
  const clientKey = hmac(salted, "Client Key");
  const storedKey = createHash("sha256").update(clientKey).digest();
  const binding = Buffer.concat([Buffer.from(gs2Header(input)), input.channelBinding ?? Buffer.alloc(0)]).toString("base64");
  const withoutProof = `c=${binding},r=${nonce}`;
  const transcript = `${clientFirstBare(input)},${serverFirst},${withoutProof}`;
  const mask = hmac(storedKey, transcript);
  const proof = Buffer.from(clientKey.map((byte, i) => byte ^ (mask[i] ?? 0)));
  return { message: `${withoutProof},p=${proof.toString("base64")}`, signature: hmac(hmac(salted, "Server Key"), transcript) };
}

/** Throws `ScramViolation` unless the server proves that it knows the password. */
export function verifyServerFinal(final: ScramFinal, serverFinal: string): void {
  const [, value] = /^v=([A-Za-z0-9+/]+={0,2})(?:,.*)?$/.exec(serverFinal) ?? [];
  const given = Buffer.from(value ?? "", "base64");
  if (given.length !== final.signature.length || !timingSafeEqual(given, final.signature)) throw new ScramViolation("the server's signature does not verify");
}
