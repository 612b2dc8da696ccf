/** What a PostgreSQL client sends, built byte by byte and apart from the codecs under test (PostgreSQL, "Message Formats"). */
type Part = Buffer | string;

export function message(type: string, ...parts: readonly Part[]): Buffer {
  const payload = Buffer.concat(parts.map((part) => Buffer.from(part as string)));
  return Buffer.concat([Buffer.from(type), int32(payload.length + 4), payload]);
}

export function int16(value: number): Buffer {
  const bytes = Buffer.alloc(2);
  bytes.writeInt16BE(value);
  return bytes;
}

export function int32(value: number): Buffer {
  const bytes = Buffer.alloc(4);
  bytes.writeInt32BE(value);
  return bytes;
}

const text = (value: string): string => `${value}\0`;

export interface BindOptions {
  readonly portal?: string;
  readonly statement?: string;
  readonly values?: readonly (Part | null)[];
  readonly formats?: readonly (0 | 1)[];
  readonly resultFormats?: readonly (0 | 1)[];
}

export const query = (sql: string): Buffer => message("Q", text(sql));
export const parse = (sql: string, name = "", types: readonly number[] = []): Buffer =>
  message("P", text(name), text(sql), int16(types.length), ...types.map(int32));
export const bind = ({ portal = "", statement = "", values = [], formats = [], resultFormats = [] }: BindOptions = {}): Buffer =>
  message(
    "B",
    text(portal),
    text(statement),
    int16(formats.length),
    ...formats.map(int16),
    int16(values.length),
    ...values.flatMap((value) => (value === null ? [int32(-1)] : [int32(Buffer.byteLength(value)), value])),
    int16(resultFormats.length),
    ...resultFormats.map(int16),
  );
export const describeStatement = (name = ""): Buffer => message("D", "S", text(name));
export const describePortal = (name = ""): Buffer => message("D", "P", text(name));
export const execute = (portal = "", limit = 0): Buffer => message("E", text(portal), int32(limit));
export const closeStatement = (name = ""): Buffer => message("C", "S", text(name));
export const closePortal = (name = ""): Buffer => message("C", "P", text(name));
export const sync = message("S");
export const flush = message("H");
export const copyData = (bytes: Part): Buffer => message("d", bytes);
export const copyDone = message("c");
export const copyFail = (reason: string): Buffer => message("f", text(reason));
export const terminate = message("X");
/** The legacy call by OID; arguments and result as text. */
export const functionCall = (oid: number, ...values: readonly (string | null)[]): Buffer =>
  message(
    "F",
    int32(oid),
    int16(0),
    int16(values.length),
    ...values.flatMap((value) => (value === null ? [int32(-1)] : [int32(Buffer.byteLength(value)), value])),
    int16(0),
  );

/** One packet of several messages. */
export const together = (...messages: readonly Buffer[]): Buffer => Buffer.concat(messages);
