import { isUtf8 } from "node:buffer";
import type { BoundParameter } from "@sallyport/proto/wire/postgres/extended";
import type { RecordedParameter } from "../../domain/session/session.events.ts";
import { mayHoldLongSecret, newSearchBudget } from "./facts/long-secret.ts";
import { redactValue, withheldValue } from "./facts/redact.ts";

/**
 * Up to here one command's parameters are searched token by token, on the thread that serves sessions: some 10 ms where they are made to
 * slow that down, and 80 ms at four times as much. Of what is beyond, a value that may hold a secret is withheld as a whole.
 */
export const MAX_SEARCHED_PARAMETER_BYTES = 4_096;

export interface RecordedParameters {
  readonly parameters: readonly RecordedParameter[];
  /** Of those that do not stand in the event: what may be recorded of each, by its place. */
  readonly apart: readonly { readonly part: number; readonly bytes: Buffer }[];
  /** Something was replaced. */
  readonly withheld: boolean;
}

/** `inline`: the values stand in the event. What a value is of does not matter: a text in binary, or a part of an array, is searched too. */
export function recordParameters(parameters: readonly BoundParameter[], types: readonly number[], inline: boolean): RecordedParameters {
  const recorded: RecordedParameter[] = [];
  const apart: { readonly part: number; readonly bytes: Buffer }[] = [];
  let withheld = false;
  let left = MAX_SEARCHED_PARAMETER_BYTES;
  const budget = newSearchBudget();
  const withheldIfSuspect = (text: string): string => (mayHoldLongSecret(text, budget) ? withheldValue(Buffer.byteLength(text)) : text);
  for (const [part, { format, value }] of parameters.entries()) {
    const typeOid = types[part] ?? 0;
    if (value === undefined) {
      recorded.push({ typeOid, format, value: null, bytes: 0 });
      continue;
    }
    const replaced = value.length <= left ? replacement(value, redactValue) : replacement(value, withheldIfSuspect);
    left -= Math.min(left, value.length);
    withheld ||= replaced !== undefined;
    if (!inline) apart.push({ part, bytes: replaced === undefined ? value : Buffer.from(replaced) });
    const text = replaced ?? (format === "text" && isUtf8(value) ? value.toString("utf8") : undefined);
    const spelt = text === undefined ? ({ value: value.toString("hex"), encoding: "hex" } as const) : ({ value: text, encoding: "utf8" } as const);
    recorded.push({ typeOid, format, ...(inline ? spelt : {}), bytes: value.length });
  }
  return { parameters: recorded, apart, withheld };
}

/** Undefined: nothing is to be replaced. What is not text is searched byte by byte, and goes whole. */
function replacement(value: Buffer, redacted: (text: string) => string): string | undefined {
  const readable = isUtf8(value);
  const text = value.toString(readable ? "utf8" : "latin1");
  const left = redacted(text);
  if (left === text) return undefined;
  return readable ? left : withheldValue(value.length);
}
