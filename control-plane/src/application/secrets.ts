import { createHash, randomBytes, timingSafeEqual } from "node:crypto";

/**
 * Tokens are `sp_<tokenId>_<secret>`: 16 hex digits that name it, 32 random bytes in base64url that prove it.
 * Only a SHA-256 of the secret is stored: a random secret of that length needs no slow hash.
 */
export interface Token {
  readonly tokenId: string;
  readonly secret: string;
}

export const newSecret = (): string => randomBytes(32).toString("base64url");

export const newToken = (): Token => ({ tokenId: randomBytes(8).toString("hex"), secret: newSecret() });

export const formatToken = ({ tokenId, secret }: Token): string => `sp_${tokenId}_${secret}`;

/** Undefined for anything that is not one. */
export function parseToken(text: string): Token | undefined {
  const match = /^sp_([0-9a-f]{16})_([A-Za-z0-9_-]{43})$/.exec(text);
  return match?.[1] === undefined || match[2] === undefined ? undefined : { tokenId: match[1], secret: match[2] };
}

export const hashSecret = (secret: string): string => createHash("sha256").update(secret, "utf8").digest("hex");

/** Takes the same time wherever they differ. */
export function sameHash(a: string, b: string): boolean {
  const [left, right] = [Buffer.from(a, "hex"), Buffer.from(b, "hex")];
  return left.length === right.length && left.length > 0 && timingSafeEqual(left, right);
}
