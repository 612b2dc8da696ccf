/** Characters that make a text look like another one: what moves a cursor, colours a terminal, begins a line or turns the direction of writing. */
const onOneLine = /[\p{Cc}\p{Zl}\p{Zp}\p{Bidi_Control}]/gu;
/** The same where new lines and tabs are text. */
const inText = /[\p{Zl}\p{Zp}\p{Bidi_Control}]|[^\P{Cc}\n\t]/gu;
/** Less than is replaced where it is shown: marks of direction (U+200E, U+200F, U+061C) and U+2028 are in what people write for good reasons. */
const refused = /[^\P{Cc}\n\t]|[\u202a-\u202e\u2066-\u2069]/u;

/** Each is replaced and none left out: with it would go what it hides. */
export const onOneLineWith = (text: string, sign: (character: string) => string): string => text.replaceAll(onOneLine, sign);

/** What somebody wrote, in the middle of a line of ours: it cannot begin one that looks like ours. */
export const inLine = (text: string): string => onOneLineWith(text, (character) => (character === "\n" || character === "\t" ? " " : "·"));

export const asText = (text: string): string => text.replaceAll(inText, "·");

/** Where the first one is that nobody may write. */
export function findDisruptive(text: string): { readonly index: number; readonly name: string } | undefined {
  const found = refused.exec(text);
  return found === null ? undefined : { index: found.index, name: `U+${found[0].charCodeAt(0).toString(16).toUpperCase().padStart(4, "0")}` };
}
