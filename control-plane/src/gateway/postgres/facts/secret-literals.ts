/** Which contents of a literal hold a password, by their look alone. */

/** Keys of libpq and of foreign servers whose values are secret. */
export const sensitiveKey = /pass(?:word|wd|phrase|file|code)?$|passw|secret|token|credential|private_?key|access_?key|api_?key/i;

/** Their names say password, and their values are none. */
const harmlessSettings = new Set(["password_encryption", "md5_password_warnings"]);

export const isSensitiveSetting = (name: string): boolean => sensitiveKey.test(name) && !harmlessSettings.has(name.toLowerCase());

interface Span {
  readonly start: number;
  readonly end: number;
}

/** `user:password@` in a URI. To the last @ of the word: people forget to escape one in a password. All repetitions here are bounded: a literal may be long and hostile. */
const uriUser = /:\/\/[^\s/@:]{0,256}:(\S{1,512})@/dg;
/** A password among the parameters of a URI. */
const uriParameter = /:\/\/\S{0,2048}?[?&](?:ssl)?password=([^&\s]+)/dgi;

/** Where passwords stand in what may be a URI or a libpq connection string (`host=x password=y`), in no order. */
export function passwordsIn(value: string): readonly Span[] {
  const uris = value.includes("://") ? [uriUser, uriParameter] : [];
  const inUris = uris.flatMap((pattern) => [...value.matchAll(pattern)].map(({ indices }) => indices?.[1] ?? [0, 0]));
  return [...inUris.map(([start = 0, end = 0]) => ({ start, end })), ...connectionPasswords(value)];
}

const pair = /\s*([a-z_]+)\s*=\s*('(?:[^'\\]|\\.)*'?|[^\s']\S*|)/diy;

function connectionPasswords(value: string): Span[] {
  const found: Span[] = [];
  pair.lastIndex = 0;
  for (let match = pair.exec(value); match !== null; match = pair.exec(value)) {
    const [, key = "", given = ""] = match;
    const [start, end] = match.indices?.[2] ?? [0, 0];
    if (!/passw/i.test(key) || given === "" || isPlaceholder(given)) continue;
    const quoted = given.startsWith("'") ? 1 : 0;
    const closed = given.length > 1 && given.endsWith("'") ? quoted : 0;
    if (end - closed > start + quoted) found.push({ start: start + quoted, end: end - closed });
  }
  return found;
}

const isPlaceholder = (value: string): boolean => /^'?%(?:\d+\$)?[sLI]'?$/.test(value);

const roleStatement = /\b(?:alter|create)\s+(?:role|user|group)\b|\boptions\s*\(|\b(?:host|hostaddr|port|dbname|user)\s*=/i;
/** Ends where the password would begin, or leaves a place for it: the secret is in another literal. */
const dangling = /\bpassw(?:or)?d\s{0,9}=?\s{0,9}(?:[eu]?&?['"]{1,9}|\$\w{0,63}\$)?\s{0,9}$|\bpassw(?:or)?d\s{0,9}=?\s{0,9}['"]{0,9}%(?:\d{1,3}\$)?[sLI]/i;

/** A literal that is completed with a password: `'ALTER ROLE x PASSWORD ' || quote_literal('…')`, `format('… PASSWORD %L', '…')`. */
export const announcesPassword = (value: string): boolean =>
  dangling.test(value) && (roleStatement.test(value) || value !== value.trim() || /passw(?:or)?d\s*=/i.test(value));

/** Functions whose literal arguments are keys or passwords (pgcrypto). */
export const keyedFunctions: ReadonlySet<string> = new Set([
  "crypt",
  "encrypt",
  "encrypt_iv",
  "decrypt",
  "decrypt_iv",
  "hmac",
  "pgp_sym_encrypt",
  "pgp_sym_encrypt_bytea",
  "pgp_sym_decrypt",
  "pgp_sym_decrypt_bytea",
  "pgp_pub_decrypt",
  "pgp_pub_decrypt_bytea",
]);

/** Nothing that is redacted is without one of these; looked for first, because most texts have none. */
export const mayHoldSecret = /pass|secret|token|credential|key|crypt|hmac|connection|options|identified|:\/\/|\\/i;
