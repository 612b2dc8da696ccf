import { type Message, textOf } from "../message.ts";

/** RFC 2047: a line with an encoded word has 76 characters at most, with the header's name and what is around the base64. */
const ENCODED_WORD_BYTES = 39;
/** RFC 2045: of base64. */
const LINE_CHARACTERS = 76;

/** Plain text in UTF-8, whole, with CRLF. Base64, so that nothing in it can be taken for a header, a dot or an end. */
export function emailMessage({ id, at, title, urgency, fields, next, eventId }: Message, from: string, to: readonly string[], now: Date): string {
  const lines = [
    title,
    "",
    ...fields.map(({ name, value }) => `${name}: ${textOf(value)}`),
    "",
    ...next.flatMap(({ label, command, link }) => [`${label}: ${command}`, ...(link === undefined ? [] : [`  ${link}`])]),
    "",
    `Happened at ${at}${eventId === "" ? "" : `, event ${eventId}`}.`,
  ];
  const headers = [
    `From: ${from}`,
    `To: ${to.join(",\r\n ")}`,
    `Subject: ${encodedWords(`${urgency === "alarm" ? "[ALARM] " : ""}${title}`)}`,
    `Date: ${now.toUTCString().replace("GMT", "+0000")}`,
    `Message-ID: <${id}@${from.split("@")[1] ?? "sallyport"}>`,
    "Auto-Submitted: auto-generated",
    "MIME-Version: 1.0",
    "Content-Type: text/plain; charset=utf-8",
    "Content-Transfer-Encoding: base64",
  ];
  const body = Buffer.from(lines.join("\r\n")).toString("base64");
  return [...headers, "", ...(body.match(new RegExp(`.{1,${LINE_CHARACTERS}}`, "gu")) ?? [])].join("\r\n");
}

/** Always encoded: no character of it can end the header. */
function encodedWords(text: string): string {
  const words: string[] = [];
  let word = "";
  for (const character of text.replaceAll(/\p{Cc}+/gu, " ")) {
    if (Buffer.byteLength(word + character) > ENCODED_WORD_BYTES) {
      words.push(word);
      word = "";
    }
    word += character;
  }
  return [...words, word].map((each) => `=?UTF-8?B?${Buffer.from(each).toString("base64")}?=`).join("\r\n ");
}
