/** RFC 3454 table C.1.2: spaces other than U+0020. */
const otherSpaces = /[\u00a0\u1680\u2000-\u200b\u202f\u205f\u3000]/gu;
/** RFC 3454 table B.1: commonly mapped to nothing. U+200B is in C.1.2 too, which comes first. */
// oxlint-disable-next-line no-misleading-character-class -- each member is a code point of its own here
const mappedToNothing = /[\u00ad\u034f\u1806\u180b-\u180d\u200c\u200d\u2060\ufe00-\ufe0f\ufeff]/gu;
/** RFC 3454 tables C.2 to C.9, by general category, and unassigned code points. */
const prohibited =
  /[\p{Cc}\p{Co}\p{Cs}\p{Cn}\u0340\u0341\u06dd\u070f\u180e\u200e\u200f\u2028-\u202e\u2061-\u2063\u206a-\u206f\u2ff0-\u2ffb\ufff9-\ufffd\u{1d173}-\u{1d17a}\u{e0001}\u{e0020}-\u{e007f}]/u;
/** Printable. */
const ascii = /^[\x20-\x7e]*$/;
const rightToLeft = /[\p{Script=Hebrew}\p{Script=Arabic}\p{Script=Syriac}\p{Script=Thaana}]/u;

/**
 * The form of a password that SCRAM hashes (RFC 4013). As in PostgreSQL, a password that the profile prohibits is used as it is;
 * right-to-left text, whose mixing rules are not checked here, is only normalized.
 */
export function saslprep(password: string): string {
  if (ascii.test(password)) return password;
  const prepared = password.replace(otherSpaces, " ").replace(mappedToNothing, "").normalize("NFKC");
  if (prepared === "" || prohibited.test(prepared)) return password;
  if (rightToLeft.test(prepared) && /[A-Za-z]/.test(prepared)) return password;
  return prepared;
}
