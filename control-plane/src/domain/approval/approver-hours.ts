const days = ["sun", "mon", "tue", "wed", "thu", "fri", "sat"] as const;
const daysPattern = days.join("|");
const written = new RegExp(
  `^(?<from>${daysPattern})(?:-(?<to>${daysPattern}))? (?<start>\\d{2}(?::\\d{2})?)-(?<end>\\d{2}(?::\\d{2})?) (?<zone>[A-Za-z][A-Za-z0-9_+/-]{0,63})$`,
);

interface Hours {
  /** Numbers as in `days`. */
  readonly days: ReadonlySet<number>;
  /** Minutes of the local day; the end is not part of it. */
  readonly start: number;
  readonly end: number;
  readonly local: Intl.DateTimeFormat;
}

/** By their text: recorded with each approval, and asked for with each decision on it. As many as policies ever wrote. */
const known = new Map<string, Hours>();

/** Undefined when it is not like `mon-fri 08-18 Europe/Berlin` or `sat 09:30-12:00 UTC`. */
function read(text: string): Hours | undefined {
  const found = known.get(text);
  if (found !== undefined) return found;
  const { from, to = from, start = "", end = "", zone = "" } = written.exec(text)?.groups ?? {};
  const [first, last] = [days.findIndex((day) => day === from), days.findIndex((day) => day === to)];
  const [opens, closes] = [minutes(start), minutes(end)];
  if (first === -1 || last === -1 || !(opens < closes && closes <= 24 * 60)) return undefined;
  const named = new Set<number>();
  for (let day = first; ; day = (day + 1) % 7) {
    named.add(day);
    if (day === last) break;
  }
  let local: Intl.DateTimeFormat;
  try {
    local = new Intl.DateTimeFormat("en-US", { timeZone: zone, weekday: "short", hour: "2-digit", minute: "2-digit", hourCycle: "h23" });
  } catch {
    return undefined;
  }
  const hours = { days: named, start: opens, end: closes, local };
  known.set(text, hours);
  return hours;
}

export const areHours = (text: string): boolean => read(text) !== undefined;

/** Whether the instant lies within them, on the wall clock of their zone. What cannot be read is never open (I3). */
export function isWithinHours(text: string, at: string): boolean {
  const hours = read(text);
  if (hours === undefined) return false;
  const parts = new Map(hours.local.formatToParts(Date.parse(at)).map(({ type, value }) => [type, value]));
  const day = days.findIndex((name) => name === parts.get("weekday")?.toLowerCase());
  const minute = minutes(`${parts.get("hour") ?? ""}:${parts.get("minute") ?? ""}`);
  return hours.days.has(day) && minute >= hours.start && minute < hours.end;
}

/** NaN compares as neither before nor after anything, so what is no time is never open. */
function minutes(time: string): number {
  const [hour = "", minute = "0"] = time.split(":");
  return Number(minute) < 60 ? Number(hour) * 60 + Number(minute) : NaN;
}
