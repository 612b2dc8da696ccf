import type { Moment } from "@sallyport/proto/gen/sallyport/api/v1/history";
import { readInstant } from "@sallyport/proto/instant";
import { Misuse } from "./exit-status.ts";
import { parseDuration } from "./verb.ts";

const AGO = /^\d{1,6}[smhd]$/;

/** An instant, or a time such as 90s, 15m, 8h, 7d ago. */
export function parseInstant(text: string): Date;
export function parseInstant(text: string | undefined): Date | undefined;
export function parseInstant(text: string | undefined): Date | undefined {
  if (text === undefined) return undefined;
  if (AGO.test(text)) return new Date(Date.now() - parseDuration(text) * 1_000);
  const at = readInstant(text);
  if (at === undefined) throw new Misuse(`"${text}" is neither an instant such as 2026-11-22T09:00Z nor a time ago such as 15m.`);
  return at;
}

/** An instant alone: what is to come is no time ago. Whether it is to come is the server's to say, whose clock counts. */
export function parseComing(text: string): Date {
  if (AGO.test(text)) throw new Misuse(`"${text}" is no instant such as 2026-12-21T08:00Z.`);
  return parseInstant(text);
}

/** As `parseInstant`, or a position of the ledger, as events show it. */
export function parseMoment(text: string): Moment {
  if (/^\d{1,19}$/.test(text)) return { at: { $case: "position", value: BigInt(text) } };
  return { at: { $case: "instant", value: parseInstant(text) } };
}

/** As `parseMoment`, written out for a server that reads zones by a clock of its own. */
export function spelledMoment(text: string): string {
  const { at } = parseMoment(text);
  return at?.$case === "instant" ? at.value.toISOString() : text;
}

export function parseLimit(text: string, option = "--limit"): number {
  const limit = Number(text);
  if (!Number.isSafeInteger(limit) || limit < 1) throw new Misuse(`${option} is a whole number from 1.`);
  return limit;
}
