import { type TimeSeen, type Weekday, weekdays } from "../domain/decision.ts";

export const DEFAULT_TIMEZONE = "UTC";

/** Zones are off by whole quarters of an hour, so that within one nothing changes. */
const QUARTER_MS = 15 * 60_000;

/** Hour and weekday of an instant in one zone. Remembers the last answer, as formatting costs more than a cached decision. */
export class LocalTime {
  readonly #format: Intl.DateTimeFormat;
  #quarter = Number.NaN;
  #seen: TimeSeen = { hour: 0, weekday: "monday" };

  constructor(timezone: string = DEFAULT_TIMEZONE) {
    this.#format = new Intl.DateTimeFormat("en-GB", { timeZone: timezone, hour: "2-digit", hourCycle: "h23", weekday: "long" });
  }

  at(instant: Date): TimeSeen {
    const quarter = Math.floor(instant.getTime() / QUARTER_MS);
    if (quarter === this.#quarter) return this.#seen;
    const parts = new Map(this.#format.formatToParts(instant).map(({ type, value }) => [type, value]));
    const weekday = parts.get("weekday")?.toLowerCase();
    if (!isWeekday(weekday)) throw new Error(`The weekday ${String(weekday)} is not known.`);
    this.#seen = { hour: Number(parts.get("hour")), weekday };
    this.#quarter = quarter;
    return this.#seen;
  }
}

const isWeekday = (word: string | undefined): word is Weekday => weekdays.some((known) => known === word);
