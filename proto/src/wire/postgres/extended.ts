import { PayloadReader } from "./reader.ts";
import { SallyportError } from "../../errors.ts";

/**
 * Parse (F)
 *   string  statement name, empty for the unnamed one
 *   string  SQL text
 *   int16   number of parameter types, then int32 OID each
 */
export interface Parse {
  readonly statement: string;
  readonly sql: Buffer;
  readonly parameterTypes: readonly number[];
}

export function decodeParse(payload: Buffer): Parse {
  const reader = new PayloadReader(payload);
  const statement = name(reader);
  const sql = reader.cstring();
  const parameterTypes = Array.from({ length: count(reader) }, () => reader.uint32());
  reader.end();
  return { statement, sql, parameterTypes };
}

/**
 * Bind (F)
 *   string  portal name
 *   string  statement name
 *   int16   number of parameter formats (0: all text, 1: one for all), then int16 each
 *   int16   number of parameters, then int32 length (-1 NULL) and that many bytes each
 *   int16   number of result formats, then int16 each
 */
export interface Bind {
  readonly portal: string;
  readonly statement: string;
  readonly parameters: readonly BoundParameter[];
}

export interface BoundParameter {
  readonly format: "text" | "binary";
  /** undefined is NULL. */
  readonly value: Buffer | undefined;
}

export function decodeBind(payload: Buffer): Bind {
  const reader = new PayloadReader(payload);
  const portal = name(reader);
  const statement = name(reader);
  const formats: number[] = [];
  for (let left = count(reader); left > 0; left--) formats.push(reader.int16());
  const parameters: BoundParameter[] = [];
  for (let left = count(reader); left > 0; left--) {
    const length = reader.int32();
    parameters.push({ format: formatOf(formats, parameters.length), value: length === -1 ? undefined : reader.bytes(length) });
  }
  for (let left = count(reader); left > 0; left--) reader.int16();
  reader.end();
  return { portal, statement, parameters };
}

/**
 * Execute (F)
 *   string  portal name
 *   int32   row limit, 0 for all
 */
export interface Execute {
  readonly portal: string;
}

export function decodeExecute(payload: Buffer): Execute {
  const reader = new PayloadReader(payload);
  const portal = name(reader);
  reader.int32();
  reader.end();
  return { portal };
}

/**
 * Close (F), Describe (F)
 *   byte1   'S' statement or 'P' portal
 *   string  name
 */
export interface NamedObject {
  readonly kind: "statement" | "portal";
  readonly name: string;
}

export function decodeNamedObject(payload: Buffer): NamedObject {
  const reader = new PayloadReader(payload);
  const letter = reader.byte();
  if (letter !== 0x53 && letter !== 0x50) throw new SallyportError("wire.malformed", "A Close or Describe names neither a statement nor a portal.");
  const object = name(reader);
  reader.end();
  return { kind: letter === 0x53 ? "statement" : "portal", name: object };
}

function formatOf(formats: readonly number[], index: number): "text" | "binary" {
  const format = formats.length === 1 ? formats[0] : formats[index];
  return format === 1 ? "binary" : "text";
}

/** What the target keeps of a name (NAMEDATALEN less the NUL): two that begin alike this far are one to it. */
const MAX_NAME_BYTES = 63;

/** Names are compared as bytes, and as far as the target does: latin1 keeps every byte apart, whatever the client's encoding. */
const name = (reader: PayloadReader): string => reader.cstring().toString("latin1", 0, MAX_NAME_BYTES);

function count(reader: PayloadReader): number {
  return reader.int16() & 0xffff;
}
