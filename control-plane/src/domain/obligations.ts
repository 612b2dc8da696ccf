import { type MaskColumn, type MaskKind, noObligations, type Obligations } from "./decision.ts";

/**
 * From least to most hidden: `round` shows about where a number or date is, `partial` some of the value, `token` its form and which
 * values are equal, `hash` shows which values are equal (and can be guessed for
 * values that are few), `full` shows that there is a value, `null` not even that.
 */
export const maskKinds = ["round", "partial", "token", "hash", "full", "null"] as const satisfies readonly MaskKind[];

/**
 * All of several at once: every mask, with the most hidden kind where two name the same column; every detector; the smallest
 * cap that is not 0; the shortest time; read-only when one of them is; everything that one of them has recorded. Canonical when all of them are. The same object several times is that object: decisions are cached, so
 * that this is what happens for nearly every command.
 */
export function strictestObligations(all: readonly Obligations[]): Obligations {
  const [first] = all;
  if (first === undefined) return noObligations;
  for (const one of all) if (one !== first) return merge(all);
  return first;
}

/** Sorted and without repeats, so that neither the order of what asks nor its number shows. */
export const canonicalObligations = (obligations: Obligations): Obligations => merge([obligations]);

/** Of a command, and of a session: a permit may speak of both. */
export function ofCommand(obligations: Obligations): Obligations {
  const { readOnly, ...rest } = obligations;
  return readOnly === undefined ? obligations : rest;
}
export const ofSession = ({ readOnly }: Obligations): Obligations => (readOnly === undefined ? noObligations : { ...noObligations, readOnly });

/** What the client is shown is recorded. */
export const recordsOutput = ({ record }: Obligations): boolean => record?.includes("output") === true;

/** What the client sends for COPY is recorded. */
export const recordsInput = ({ record }: Obligations): boolean => record?.includes("input") === true;

const keys = new WeakMap<Obligations, string>();

/** By value; the key of each object is made once, since decisions are cached and compared for every command. */
export const sameObligations = (a: Obligations, b: Obligations): boolean => a === b || keyOf(a) === keyOf(b);

function merge(all: readonly Obligations[]): Obligations {
  const columns = new Map<string, MaskColumn>();
  for (const column of all.flatMap((one) => one.maskColumns)) {
    const same = columns.get(nameOf(column));
    columns.set(nameOf(column), same === undefined ? column : { ...column, kind: strictest(same.kind, column.kind) });
  }
  const caps = all.map((one) => one.rowCap).filter((cap) => cap > 0);
  const masking = all.filter((one) => one.maskColumns.length > 0);
  const byteCap = least(all.map((one) => one.byteCap));
  const timeoutMillis = least(all.map((one) => one.timeoutMillis));
  const record = [...new Set(all.flatMap((one) => one.record ?? []))].toSorted(order);
  return {
    maskColumns: [...columns.values()].toSorted((a, b) => order(nameOf(a), nameOf(b))),
    detectors: [...new Set(all.flatMap((one) => one.detectors))].toSorted(order),
    rowCap: caps.length === 0 ? 0 : Math.min(...caps),
    ...(masking.length > 0 && masking.every((one) => one.computed === "show") ? { computed: "show" as const } : {}),
    ...(byteCap === undefined ? {} : { byteCap }),
    ...(timeoutMillis === undefined ? {} : { timeoutMillis }),
    ...(all.some((one) => one.readOnly === true) ? { readOnly: true } : {}),
    ...(record.length === 0 ? {} : { record }),
  };
}

function least(bounds: readonly (number | undefined)[]): number | undefined {
  const set = bounds.filter((bound) => bound !== undefined);
  return set.length === 0 ? undefined : Math.min(...set);
}

function keyOf(obligations: Obligations): string {
  let key = keys.get(obligations);
  if (key === undefined) {
    const { maskColumns, ...rest } = canonicalObligations(obligations);
    key = JSON.stringify([maskColumns.map((mask) => [nameOf(mask), mask.kind]), rest]);
    keys.set(obligations, key);
  }
  return key;
}

const strictest = (a: MaskKind, b: MaskKind): MaskKind => (maskKinds.indexOf(a) >= maskKinds.indexOf(b) ? a : b);

/** Order of UTF-16 units: the same everywhere, whatever the locale. */
const order = (a: string, b: string): number => (a < b ? -1 : a > b ? 1 : 0);

/** Unambiguous, also for names with a dot in them. */
const nameOf = ({ table, column }: MaskColumn): string => JSON.stringify([table, column]);
