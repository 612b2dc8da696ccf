/** `2026-11-22`, `2026-11-22T09:00Z`, `2026-11-22T09:00:00.123+01:00`; without a zone, this machine's. A date alone is midnight UTC. */
const INSTANT = /^(\d{4})-(\d\d)-(\d\d)([T ]\d\d:\d\d(:\d\d(\.\d{1,9})?)?(Z|[+-]\d\d:?\d\d)?)?$/;

/** Undefined where it is none: Date by itself takes "foo 5" for a month, and the 30th of February for the 2nd of March. */
export function readInstant(text: string): Date | undefined {
  const [, year, month, day] = INSTANT.exec(text) ?? [];
  const at = new Date(text);
  if (day === undefined || Number.isNaN(at.getTime())) return undefined;
  return new Date(Date.UTC(Number(year), Number(month) - 1, Number(day))).getUTCDate() === Number(day) ? at : undefined;
}
