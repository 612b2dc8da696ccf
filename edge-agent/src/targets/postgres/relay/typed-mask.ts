import { firstOfYear, roundDate, roundDecimal, roundFloat } from "../../../masking/rounding.ts";
import type { CellMasker } from "../../../masking/cell-masker.ts";
import type { MaskKind } from "../../../masking/mask-value.ts";
import { MAX_TOKEN_BYTES, type TokenAlphabet } from "../../../masking/token.ts";
import type { CellFormat } from "./column-types.ts";

/** Makes a token of a value whose type is not text. */
type MakeToken = (value: Buffer, alphabet: TokenAlphabet) => Buffer;

/** What comes in the place of a cell; null is SQL NULL. Its result is always a value of the cell's own type. */
export type TypedMask = (cell: Buffer) => Buffer | null;

/** OIDs of pg_type.dat. */
const INTEGERS: ReadonlyMap<number, number> = new Map([
  [21, 2],
  [23, 4],
  [20, 8],
]);
const NUMERIC = 1700;
const FLOATS: ReadonlyMap<number, number> = new Map([
  [700, 4],
  [701, 8],
]);
const DATE = 1082;
const TIMESTAMPS: ReadonlySet<number> = new Set([1114, 1184]);
const UUID = 2950;
const UUID_GROUPS = /^(.{8})(.{4})(.{4})(.{4})(.{12})$/;
const DAY_MICROS = 86_400_000_000n;
/** A token outside of its type's range is made again from itself; one in ten is inside at worst. */
const MAX_WALK = 1_000;

/** Undefined where the kind has nothing of its own for the type: it then is that of text, or NULL. */
export function typedMask(kind: MaskKind, typeOid: number, format: CellFormat, masker: CellMasker): TypedMask | undefined {
  const typed =
    kind === "round" ? roundMask(typeOid, format) : kind === "token" ? tokenMask(typeOid, format, (value, by) => masker.token(value, by)) : undefined;
  if (typed === undefined) return undefined;
  // Whatever cannot be read as its type says is not shown.
  return (cell) => {
    try {
      return typed(cell);
    } catch {
      return null;
    }
  };
}

function roundMask(typeOid: number, format: CellFormat): TypedMask | undefined {
  if (format === "text") {
    if (INTEGERS.has(typeOid) || typeOid === NUMERIC) return ofText(roundDecimal);
    if (FLOATS.has(typeOid)) return ofText((text) => roundFloat(Number(text === "" ? Number.NaN : text))?.toString());
    return typeOid === DATE || TIMESTAMPS.has(typeOid) ? ofText(roundDate) : undefined;
  }
  const integer = INTEGERS.get(typeOid);
  if (integer !== undefined) return (cell) => integerOf(roundDecimal(String(readInteger(cell, integer))), integer);
  const float = FLOATS.get(typeOid);
  if (float !== undefined) return (cell) => floatOf(roundFloat(float === 4 ? cell.readFloatBE(0) : cell.readDoubleBE(0)), float);
  if (typeOid === DATE) return (cell) => integerOf(firstOfYear(cell.readInt32BE(0))?.toString(), 4);
  return TIMESTAMPS.has(typeOid) ? roundTimestamp : undefined;
}

function tokenMask(typeOid: number, format: CellFormat, token: MakeToken): TypedMask | undefined {
  const integer = INTEGERS.get(typeOid);
  if (integer !== undefined) {
    return (cell) => {
      const text = format === "text" ? cell : Buffer.from(String(readInteger(cell, integer)));
      const walked = walk(text, token, (found) => fits(found, integer));
      return walked === undefined ? null : format === "text" ? walked : integerOf(walked.toString(), integer);
    };
  }
  if (typeOid === NUMERIC && format === "text") {
    return (cell) => (cell.length <= MAX_TOKEN_BYTES && /^-?[\d.]+$/.test(cell.toString("latin1")) ? token(cell, "digits") : null);
  }
  if (typeOid !== UUID) return undefined;
  const ofHex = (hex: string): string => token(Buffer.from(hex), "hex").toString();
  if (format === "binary") return (cell) => Buffer.from(ofHex(cell.toString("hex")), "hex");
  return (cell) => Buffer.from(ofHex(cell.toString("latin1").replaceAll("-", "")).replace(UUID_GROUPS, "$1-$2-$3-$4-$5"));
}

/** The next value of the permutation that is one of the type: still a permutation of these. */
function walk(start: Buffer, token: MakeToken, accepts: (found: string) => boolean): Buffer | undefined {
  let found = start;
  for (let step = 0; step < MAX_WALK; step++) {
    found = token(found, "digits");
    if (accepts(found.toString("latin1"))) return found;
  }
  return undefined;
}

/** Written as PostgreSQL would, so that two ways to write a number cannot be one token's. */
function fits(text: string, size: number): boolean {
  const number = BigInt(text);
  return String(number) === text && number === BigInt.asIntN(size * 8, number);
}

const ofText =
  (change: (text: string) => string | undefined): TypedMask =>
  (cell) => {
    const changed = change(cell.toString("latin1"));
    return changed === undefined ? null : Buffer.from(changed);
  };

const readInteger = (cell: Buffer, size: number): bigint => (size === 8 ? cell.readBigInt64BE(0) : BigInt(cell.readIntBE(0, size)));

function integerOf(text: string | undefined, size: number): Buffer | null {
  if (text === undefined) return null;
  const bytes = Buffer.alloc(size);
  if (size === 8) bytes.writeBigInt64BE(BigInt(text));
  else bytes.writeIntBE(Number(text), 0, size);
  return bytes;
}

function floatOf(value: number | undefined, size: number): Buffer | null {
  if (value === undefined) return null;
  const bytes = Buffer.alloc(size);
  if (size === 4) bytes.writeFloatBE(value);
  else bytes.writeDoubleBE(value);
  return bytes;
}

function roundTimestamp(cell: Buffer): Buffer | null {
  const micros = cell.readBigInt64BE(0);
  const days = micros / DAY_MICROS - (micros % DAY_MICROS < 0n ? 1n : 0n);
  const first = firstOfYear(Number(days));
  if (first === undefined) return null;
  const bytes = Buffer.alloc(8);
  bytes.writeBigInt64BE(BigInt(first) * DAY_MICROS);
  return bytes;
}
