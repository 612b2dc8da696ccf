import { isAscii } from "node:buffer";

/** What may stand in a search path for any schema: one that is computed, or that nothing is known of. */
export const ANY_SCHEMA = "*";
/** In a search path: the schema that has the name of the session's role. */
export const USER_SCHEMA = "$user";

/** PostgreSQL cuts longer names off; we do not guess where, for a character may be cut in two. */
const MAX_NAME_BYTES = 63;
const space = "[ \\t\\n\\r\\v\\f]*";
/** One name, quoted or not, up to a comma or the end (PostgreSQL, SplitIdentifierString). */
const item = new RegExp(`${space}(?:"(?<quoted>(?:[^"]|"")*)"|(?<plain>[^", \\t\\n\\r\\v\\f][^, \\t\\n\\r\\v\\f]*))${space}(?<more>,|$)`, "y");

/** The schemas of a value of `search_path`, in order, as PostgreSQL reads it; undefined where that cannot be told. */
export function schemasIn(setting: string): readonly string[] | undefined {
  if (/^[ \t\n\r\v\f]*$/.test(setting)) return [];
  // How letters beyond ASCII are folded is up to the server's locale.
  if (!isAscii(Buffer.from(setting))) return undefined;
  const schemas: string[] = [];
  item.lastIndex = 0;
  for (let match = item.exec(setting); match !== null; match = item.exec(setting)) {
    const { quoted, plain = "", more } = match.groups ?? {};
    const name = quoted?.replaceAll('""', '"') ?? plain.toLowerCase();
    if (name.length > MAX_NAME_BYTES) return undefined;
    // SET search_path = '' has one name that no schema has.
    if (name !== "") schemas.push(name);
    if (more === "") return schemas;
  }
  return undefined;
}
