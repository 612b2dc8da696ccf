import { encodeFrame } from "./frames.ts";
import { backend } from "./message-types.ts";
import { PayloadReader } from "./reader.ts";

export type TransactionStatus = "I" | "T" | "E";

/** Fields of ErrorResponse and NoticeResponse that we write (PostgreSQL, "Error and Notice Message Fields"). */
export interface ReportFields {
  readonly severity: "ERROR" | "FATAL" | "WARNING" | "NOTICE";
  readonly sqlstate: string;
  readonly message: string;
  readonly detail?: string | undefined;
  readonly hint?: string | undefined;
}

export const encodeErrorResponse = (fields: ReportFields): Buffer => encodeFrame(backend.errorResponse, encodeFields(fields));
export const encodeNoticeResponse = (fields: ReportFields): Buffer => encodeFrame(backend.noticeResponse, encodeFields(fields));

function encodeFields({ severity, sqlstate, message, detail, hint }: ReportFields): Buffer {
  const fields: [string, string | undefined][] = [
    ["S", severity],
    ["V", severity],
    ["C", sqlstate],
    ["M", message],
    ["D", detail],
    ["H", hint],
  ];
  const text = fields.map(([letter, value]) => (value === undefined ? "" : `${letter}${value.replaceAll("\0", "")}\0`)).join("");
  return Buffer.from(`${text}\0`, "utf8");
}

/** byte field type, string value; ends in a zero byte. Keys are the field letters. */
export function decodeFields(payload: Buffer): ReadonlyMap<string, string> {
  const reader = new PayloadReader(payload);
  const fields = new Map<string, string>();
  for (;;) {
    const letter = reader.byte();
    if (letter === 0) return fields;
    fields.set(String.fromCharCode(letter), reader.cstring().toString("utf8"));
  }
}

/** byte1 transaction status: idle, in a transaction, in a failed one. */
export const encodeReadyForQuery = (status: TransactionStatus): Buffer => encodeFrame(backend.readyForQuery, Buffer.from(status, "latin1"));

/** string name, string value. */
export const encodeParameterStatus = (name: string, value: string): Buffer => encodeFrame(backend.parameterStatus, Buffer.from(`${name}\0${value}\0`, "utf8"));

/** int32 process id, byte[n] key. */
export function encodeBackendKeyData(processId: number, key: Buffer): Buffer {
  const payload = Buffer.allocUnsafe(4 + key.length);
  payload.writeUInt32BE(processId >>> 0, 0);
  key.copy(payload, 4);
  return encodeFrame(backend.backendKeyData, payload);
}

export const authentication = { ok: 0, cleartextPassword: 3 } as const;

/** int32 kind. */
export function encodeAuthentication(kind: (typeof authentication)[keyof typeof authentication]): Buffer {
  const payload = Buffer.allocUnsafe(4);
  payload.writeUInt32BE(kind, 0);
  return encodeFrame(backend.authentication, payload);
}

/**
 * int32 newest version spoken, major and minor, as PostgreSQL sends it whatever its manual says: libpq hangs up on less than 3.0;
 * int32 count, string option each: those of the client's that are not spoken.
 */
export function encodeNegotiateProtocolVersion(minor: number, options: readonly string[]): Buffer {
  const head = Buffer.allocUnsafe(8);
  head.writeUInt16BE(3, 0);
  head.writeUInt16BE(minor, 2);
  head.writeUInt32BE(options.length, 4);
  return encodeFrame(backend.negotiateProtocolVersion, Buffer.concat([head, ...options.map((option) => Buffer.from(`${option}\0`))]));
}
