import { ALNUM, DASH, isDigit, isLower, isUpper, SPACE, startsToken, WORD } from "../byte-classes.ts";

/** Length by country (SWIFT IBAN registry). */
const LENGTHS: ReadonlyMap<string, number> = new Map(
  (
    "AD24 AE23 AL28 AT20 AZ28 BA20 BE16 BG22 BH22 BI27 BR29 BY28 CH21 CR22 CY28 CZ24 DE22 DJ27 DK18 DO28 EE20 EG29 ES24 FI18 FK18 FO18 FR27 " +
    "GB22 GE22 GI23 GL18 GR27 GT28 HN28 HR21 HU28 IE22 IL23 IQ23 IS26 IT27 JO30 KW30 KZ20 LB28 LC32 LI21 LT20 LU20 LV21 LY25 MC27 MD24 ME22 MK19 " +
    "MN20 MR27 MT31 MU30 NI28 NL18 NO15 OM23 PK24 PL28 PS29 PT25 QA29 RO24 RS22 RU33 SA24 SC31 SD18 SE24 SI19 SK24 SM27 SO23 ST25 SV28 TL23 TN24 " +
    "TR26 UA29 VA22 VG24 XK20 YE30"
  )
    .split(" ")
    .map((entry) => [entry.slice(0, 2), Number(entry.slice(2))]),
);

/** End of the IBAN whose country code is at `at` and whose check digits follow it, or `at`. Written together, or in groups of four. */
export function ibanEnd(bytes: Buffer, at: number, from: number, to: number): number {
  const first = bytes[at] ?? 0;
  const second = bytes[at + 1] ?? 0;
  if (!(isUpper(first) && isUpper(second)) && !(isLower(first) && isLower(second))) return at;
  if (!isDigit(bytes[at + 2] ?? 0) || !isDigit(bytes[at + 3] ?? 0)) return at;
  const length = LENGTHS.get(bytes.toString("latin1", at, at + 2).toUpperCase());
  if (length === undefined || !startsToken(bytes, at, from)) return at;
  const separator = bytes[at + 4] === SPACE || bytes[at + 4] === DASH ? bytes[at + 4] : undefined;
  let text = "";
  let i = at;
  while (text.length < length && i < to) {
    const byte = bytes[i] ?? 0;
    if (ALNUM[byte] === 1) text += String.fromCharCode(byte);
    else if (byte !== separator || text.length % 4 !== 0) return at;
    i++;
  }
  if (text.length < length || (i < to && WORD[bytes[i] ?? 0] === 1)) return at;
  return remainder97(text.slice(4) + text.slice(0, 4)) === 1 ? i : at;
}

/** ISO 7064 MOD 97-10, letters as two-digit numbers from A = 10. */
function remainder97(text: string): number {
  let remainder = 0;
  for (const character of text) {
    const value = Number.parseInt(character, 36);
    remainder = (remainder * (value > 9 ? 100 : 10) + value) % 97;
  }
  return remainder;
}
