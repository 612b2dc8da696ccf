/** Which contents of a literal hold a password, by their look alone. */

/** Keys of libpq and of foreign servers whose values are secret. */
export const sensitiveKey = /pass(?:word|wd|phrase|file|code)?$|passw|secret|token|credential|private_?key|access_?key|api_?key/i;

/** Their names say password, and their values are none. */
const harmlessSettings = new Set(["password_encryption", "md5_password_warnings"]);

export const isSensitiveSetting = (name: string): boolean => sensitiveKey.test(name) && !harmlessSettings.has(name.toLowerCase());

/** `user:password@` in a URI, or a password among its parameters. All repetitions here are bounded: a literal may be long and hostile. */
const uriWithPassword = /:\/\/(?:[^\s/@:]{0,256}:[^\s@]{1,512}@|\S{0,2048}[?&](?:password|sslpassword)=[^&\s])/i;

export const holdsPassword = (value: string): boolean => uriWithPassword.test(value) || connectionPassword(value) !== undefined;

const pair = /\s*([a-z_]+)\s*=\s*('(?:[^'\\]|\\.)*'?|[^\s']\S*|)/iy;

/** The password of a libpq connection string (`host=x password=y`); undefined when it is none, or has none. */
export function connectionPassword(value: string): string | undefined {
  pair.lastIndex = 0;
  for (let match = pair.exec(value); match !== null; match = pair.exec(value)) {
    const [, key = "", given = ""] = match;
    if (/passw/i.test(key) && given !== "" && !isPlaceholder(given)) return given.replace(/^'([\s\S]*?)'?$/, "$1");
  }
  return undefined;
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
