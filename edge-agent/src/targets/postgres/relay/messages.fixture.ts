/** Builds what a PostgreSQL server or client sends, byte by byte and apart from the codecs under test. */
export function message(type: string, ...parts: readonly (Buffer | string | number)[]): Buffer {
  const payload = Buffer.concat(parts.map((part) => (typeof part === "number" ? Buffer.from([part]) : Buffer.from(part))));
  const length = Buffer.alloc(4);
  length.writeInt32BE(payload.length + 4);
  return Buffer.concat([Buffer.from(type), length, payload]);
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

export interface Column {
  readonly name: string;
  readonly type?: number;
  readonly format?: 0 | 1;
  readonly table?: number;
  readonly attribute?: number;
}

export const TEXT = 25;
export const INT4 = 23;
export const JSONB = 3802;

export const rowDescription = (...columns: readonly Column[]): Buffer =>
  message(
    "T",
    int16(columns.length),
    ...columns.flatMap(({ name, type = TEXT, format = 0, table = 0, attribute = 0 }) => [
      `${name}\0`,
      int32(table),
      int16(attribute),
      int32(type),
      int16(-1),
      int32(-1),
      int16(format),
    ]),
  );

export type Cell = string | Buffer | null;

export const dataRow = (...cells: readonly Cell[]): Buffer =>
  message("D", int16(cells.length), ...cells.flatMap((cell) => (cell === null ? [int32(-1)] : [int32(Buffer.from(cell).length), cell])));

export const complete = (tag: string): Buffer => message("C", `${tag}\0`);
export const ready = message("Z", "I");
export const parseComplete = message("1");
export const bindComplete = message("2");
export const noData = message("n");
export const suspended = message("s");
export const copyData = (payload: Buffer | string): Buffer => message("d", payload);
export const copyDone = message("c");
export const copyOut = (columns: number, format: 0 | 1 = 0): Buffer =>
  message("H", format, int16(columns), ...Array.from({ length: columns }, () => int16(format)));
export const errorResponse = (fields: Readonly<Record<string, string>>): Buffer =>
  message("E", ...Object.entries(fields).map(([code, text]) => `${code}${text}\0`), "\0");
export const notice = (fields: Readonly<Record<string, string>>): Buffer =>
  message("N", ...Object.entries(fields).map(([code, text]) => `${code}${text}\0`), "\0");

export const query = (sql: string): Buffer => message("Q", `${sql}\0`);
export const parse = (name = "", sql = "select 1"): Buffer => message("P", `${name}\0${sql}\0`, int16(0));
export const bind = (portal = "", statement = ""): Buffer => message("B", `${portal}\0${statement}\0`, int16(0), int16(0), int16(0));
export const describePortal = (portal = ""): Buffer => message("D", `P${portal}\0`);
export const describeStatement = (statement = ""): Buffer => message("D", `S${statement}\0`);
export const execute = (portal = "", limit = 0): Buffer => message("E", `${portal}\0`, int32(limit));
export const sync = message("S");
export const flush = message("H");

export interface Message {
  readonly type: string;
  readonly payload: Buffer;
}

/** Fails on a stream that does not end with a message. */
export function messages(bytes: Buffer): Message[] {
  const found: Message[] = [];
  for (let at = 0; at < bytes.length;) {
    const end = at + 1 + bytes.readInt32BE(at + 1);
    if (end > bytes.length) throw new Error("the stream ends within a message");
    found.push({ type: bytes.toString("latin1", at, at + 1), payload: bytes.subarray(at + 5, end) });
    at = end;
  }
  return found;
}

export const types = (bytes: Buffer): string =>
  messages(bytes)
    .map(({ type }) => type)
    .join("");

/** The cells of every DataRow. */
export function rows(bytes: Buffer): (Buffer | null)[][] {
  return messages(bytes)
    .filter(({ type }) => type === "D")
    .map(({ payload }) => {
      const cells: (Buffer | null)[] = [];
      let at = 2;
      while (at < payload.length) {
        const length = payload.readInt32BE(at);
        cells.push(length < 0 ? null : payload.subarray(at + 4, at + 4 + length));
        at += 4 + Math.max(length, 0);
      }
      if (cells.length !== payload.readInt16BE(0)) throw new Error("the row does not have the columns it announces");
      return cells;
    });
}

export const texts = (bytes: Buffer): (string | null)[][] => rows(bytes).map((cells) => cells.map((cell) => cell?.toString() ?? null));
