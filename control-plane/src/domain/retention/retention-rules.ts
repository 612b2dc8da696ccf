import { SallyportError } from "@sallyport/proto/errors";

/** Streams of these end; of all others, what is in force is folded. Names of categories are data at rest. */
export const retainedCategories = ["recording", "session", "approval", "forwarding"] as const;

export type RetainedCategory = (typeof retainedCategories)[number];

export interface RetentionRule {
  readonly category: RetainedCategory;
  readonly keepSeconds: number;
}

/** A slip of the unit, or of the pen, must not cost a day's record. */
export const MIN_KEEP_SECONDS = 86_400;
/** A hundred years: more is a slip too, and instants stay far inside what a date can hold. */
export const MAX_KEEP_SECONDS = 100 * 366 * 86_400;

const units: Readonly<Record<string, number>> = { h: 3_600, d: 86_400, w: 7 * 86_400, y: 365 * 86_400 };

const reasons: Readonly<Record<string, string>> = {
  log: "it is what the rest of the record is proven by",
  retention: "it says what was removed",
};
const stateReason = "what is in force now is folded from it";

/** `recording=30d,session=400d`; empty keeps everything. Fails with `config.invalid`, naming every problem. */
export function parseRetention(text: string): readonly RetentionRule[] {
  const problems: string[] = [];
  const rules = new Map<string, RetentionRule>();
  for (const part of text.split(",").map((each) => each.trim())) {
    if (part === "") continue;
    const [, category = "", count, unit] = /^([a-z]+)=(\d{1,6})([hdwy])$/u.exec(part) ?? [];
    const keepSeconds = Number(count) * (units[unit ?? ""] ?? Number.NaN);
    if (category === "") problems.push(`"${part.slice(0, 60)}" is not a rule such as recording=30d (h, d, w, y)`);
    else if (!isRetained(category)) problems.push(`streams of "${category}" are never removed: ${reasons[category] ?? stateReason}`);
    else if (rules.has(category)) problems.push(`"${category}" has two rules`);
    else if (keepSeconds < MIN_KEEP_SECONDS || keepSeconds > MAX_KEEP_SECONDS) problems.push(`"${part}" is not between 1 day and 100 years`);
    else rules.set(category, { category, keepSeconds });
  }
  if (problems.length > 0) throw new SallyportError("config.invalid", `SALLYPORT_RETENTION: ${problems.join("; ")}.`, { setting: "SALLYPORT_RETENTION" });
  return retainedCategories.flatMap((category) => rules.get(category) ?? []);
}

export const isRetained = (category: string): category is RetainedCategory => (retainedCategories as readonly string[]).includes(category);

/** The instant before which a stream must have ended to go. */
export const cutOffOf = ({ keepSeconds }: RetentionRule, now: Date): string => new Date(now.getTime() - keepSeconds * 1_000).toISOString();
