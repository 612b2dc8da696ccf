import { hash } from "node:crypto";

/** A part of a request in Cedar's terms, and a digest of all that it says. */
export type Part<T> = { readonly kind: "ready"; readonly value: T; readonly key: string } | Unfit;

/** What cannot be put to the rules, and so is denied. */
export interface Unfit {
  readonly kind: "unfit";
  readonly why: string;
}

/**
 * A part that has these texts in it, whether or not a rule sees them. `said` is what tells it apart besides.
 *
 * Cedar takes no text with half a surrogate pair; two such texts must not look alike either.
 */
export function part<T>(texts: readonly string[], value: T, said: readonly string[] = []): Part<T> {
  if (!texts.every((text) => text.isWellFormed())) return { kind: "unfit", why: "a name in it is not valid Unicode" };
  return { kind: "ready", value, key: hash("sha256", JSON.stringify([value, ...said]), "base64url") };
}

export function remember<K extends WeakKey, V>(memory: WeakMap<K, V>, key: K, make: () => V): V {
  const known = memory.get(key);
  if (known !== undefined) return known;
  const made = make();
  memory.set(key, made);
  return made;
}
