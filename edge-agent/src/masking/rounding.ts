/** Numbers are rounded to their first digit, and to tens at least: an age or a grade must not come out as it is. */
const LEAST_STEP_DIGITS = 1;

const DECIMAL = /^(-?)0*(\d+)(?:\.\d*)?$/;

/** A decimal number as PostgreSQL writes it, without an exponent; undefined for NaN, infinities and what is no number. */
export function roundDecimal(text: string): string | undefined {
  const [, sign = "", whole] = DECIMAL.exec(text) ?? [];
  if (whole === undefined) return undefined;
  const zeros = Math.max(LEAST_STEP_DIGITS, whole.length - 1);
  const lead = whole.length > zeros ? Number(whole[0]) : 0;
  const next = Number(whole.at(-zeros) ?? 0);
  const rounded = lead + (next >= 5 ? 1 : 0);
  return rounded === 0 ? "0" : `${sign}${rounded}${"0".repeat(zeros)}`;
}

/** The same of a binary floating-point number. */
export function roundFloat(value: number): number | undefined {
  if (!Number.isFinite(value)) return undefined;
  const size = Math.abs(value);
  const step = Math.max(10, 10 ** Math.floor(Math.log10(Math.max(size, 1))));
  const rounded = Math.round(size / step) * step;
  // Past the largest number of its type.
  return Number.isFinite(rounded) ? Math.sign(value) * rounded || 0 : undefined;
}

const ISO_DATE = /^(\d{4,7})-\d\d-\d\d(?<time> \d\d:\d\d:\d\d(?:\.\d+)?(?<zone>[+-]\d\d(?::\d\d){0,2})?)?(?<era> BC)?$/;

/** The first day of its year, as PostgreSQL writes dates and timestamps in ISO style; undefined in any other, and for infinities. */
export function roundDate(text: string): string | undefined {
  const found = ISO_DATE.exec(text);
  if (found === null) return undefined;
  const { time, zone = "", era = "" } = found.groups ?? {};
  return `${found[1] ?? ""}-01-01${time === undefined ? "" : ` 00:00:00${zone}`}${era}`;
}

const DAY_MILLIS = 86_400_000;
/** PostgreSQL counts from 2000-01-01. */
const EPOCH_DAYS = 10_957;

/** Days from PostgreSQL's epoch to the first day of that day's year; undefined beyond what a Date of ours can tell. */
export function firstOfYear(days: number): number | undefined {
  const date = new Date((days + EPOCH_DAYS) * DAY_MILLIS);
  date.setUTCMonth(0, 1);
  const first = date.getTime() / DAY_MILLIS - EPOCH_DAYS;
  return Number.isFinite(first) ? first : undefined;
}
