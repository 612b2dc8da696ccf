/** OIDs of PostgreSQL's built-in types (pg_type.dat): data at rest, the same in every version. */
const JSON_TYPE = 114;
const JSONB = 3802;
const JSON_ARRAYS = new Set([199, 3807]);

/** text, varchar, bpchar, name, xml, unknown, cstring. */
const TEXT_LIKE = new Set([25, 1043, 1042, 19, 142, 705, 2275]);

/** From here on types are the database's own: enums, domains over nothing, citext and other extensions. */
const FIRST_USER_TYPE = 16_384;

/**
 * Types whose text holds nothing that a detector looks for: numbers, dates, booleans, uuids, addresses, geometry, bits, ranges
 * of those and arrays of those; and bytea, where a chance match would corrupt an image. Whatever is not here is scanned.
 */
const NEVER_SCANNED = new Set([
  16, 17, 20, 21, 22, 23, 26, 27, 28, 29, 30, 700, 701, 790, 829, 774, 650, 869, 1082, 1083, 1114, 1184, 1186, 1266, 1560, 1562, 1700, 2950, 600, 601, 602, 603,
  604, 628, 718, 2970, 3220, 5038, 5069, 3904, 3906, 3908, 3910, 3912, 3926, 4451, 4532, 4533, 4534, 4535, 4536, 1000, 1001, 1005, 1006, 1007, 1016, 1028, 1010,
  1011, 1012, 1013, 1021, 1022, 791, 1040, 775, 651, 1041, 1182, 1183, 1115, 1185, 1187, 1270, 1561, 1563, 1231, 2951, 1017, 1018, 1019, 1020, 1027, 629, 719,
  3221, 271, 3905, 3907, 3909, 3911, 3913, 3927,
]);

export type CellFormat = "text" | "binary";

export const isScanned = (typeOid: number): boolean => !NEVER_SCANNED.has(typeOid);

export const isJson = (typeOid: number): boolean => typeOid === JSON_TYPE || typeOid === JSONB || JSON_ARRAYS.has(typeOid);

/** How a mask text is spelt in a type: as it is, as a JSON string, or behind jsonb's version byte; undefined when it cannot be. */
export type Spelling = "plain" | "json" | "jsonb";

export function spellingOf(typeOid: number, format: CellFormat): Spelling | undefined {
  if (TEXT_LIKE.has(typeOid)) return "plain";
  if (typeOid === JSON_TYPE) return "json";
  if (typeOid === JSONB) return format === "text" ? "json" : "jsonb";
  // citext and enums read like text; what a user-defined type looks like in binary is not known.
  return typeOid >= FIRST_USER_TYPE && format === "text" ? "plain" : undefined;
}
