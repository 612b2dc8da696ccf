import type { Context } from "@cedar-policy/cedar-wasm/nodejs";
import { isIP } from "node:net";
import type { Circumstances, PolicyAction, Purpose, TimeSeen } from "../domain/decision.ts";
import { LocalTime } from "./local-time.ts";
import type { Rule } from "./rule.ts";

export type Situation =
  | {
      readonly kind: "ready";
      readonly context: Context;
      readonly key: string;
      /** Of a policy that looks at the time. */
      readonly seen: TimeSeen | undefined;
      /** What somebody must say for some rule, and did not. */
      readonly unsaid: ReadonlySet<keyof Purpose>;
    }
  | { readonly kind: "unfit"; readonly why: string };

const NO_PURPOSE: Purpose = { reason: "", ticket: "" };
const attributesOf: Readonly<Record<PolicyAction, readonly string[]>> = {
  open: ["hour", "weekday", "clientAddress", "purpose", "ticket"],
  run: ["hour", "weekday", "clientAddress", "purpose", "ticket"],
  request: ["hour", "weekday", "purpose", "ticket"],
  break_glass: ["hour", "weekday", "purpose", "ticket"],
  approve: ["hour", "weekday"],
};

/**
 * Puts what a decision is taken under in Cedar's terms.
 *
 * C1. Attributes that no rule looks at have a fixed value, so that decisions are remembered whenever they were taken and
 *     whatever reason was given.
 * C2. What a rule looks at must be known, or nothing is permitted: a `forbid` over an unknown address must not be passed over.
 *     That no reason was given is known.
 */
export class CircumstanceReader {
  readonly #attributes: ReadonlySet<string>;
  readonly #required: readonly (keyof Purpose)[];
  readonly #time: LocalTime;

  constructor(rules: readonly Rule[]) {
    this.#attributes = new Set(rules.flatMap(({ attributes }) => attributes));
    this.#required = [...new Set(rules.flatMap(({ requires }) => requires))];
    this.#time = new LocalTime(rules.find(({ timezone }) => timezone !== undefined)?.timezone);
  }

  read(action: PolicyAction, { time, clientAddress = "", purpose = NO_PURPOSE }: Circumstances): Situation {
    const uses = (attribute: string): boolean => this.#attributes.has(attribute) && attributesOf[action].includes(attribute);
    const seen = uses("hour") || uses("weekday") ? this.#see(time) : FIXED_TIME;
    if (seen === undefined) return { kind: "unfit", why: "a rule looks at the time, and the time of this is not known" };
    const address = uses("clientAddress") ? clientAddress : FIXED_ADDRESS;
    if (isIP(address) === 0) return { kind: "unfit", why: "a rule looks at the client's address, and this one is not known" };
    const said = { purpose: uses("purpose") ? purpose.reason : "", ticket: uses("ticket") ? purpose.ticket : "" };
    if (!said.purpose.isWellFormed() || !said.ticket.isWellFormed()) return { kind: "unfit", why: "the reason or the ticket is not valid Unicode" };
    const unsaid = new Set(this.#required.filter((name) => purpose[name] === ""));
    const all: Context = { hour: seen.hour, weekday: seen.weekday, clientAddress: { __extn: { fn: "ip", arg: address } }, ...said };
    return {
      kind: "ready",
      context: Object.fromEntries(attributesOf[action].flatMap((name) => (all[name] === undefined ? [] : [[name, all[name]]]))),
      key: this.#isFixed ? "" : JSON.stringify([seen.hour, seen.weekday, address, said.purpose, said.ticket, ...unsaid]),
      seen: seen === FIXED_TIME ? undefined : seen,
      unsaid,
    };
  }

  get #isFixed(): boolean {
    return this.#required.length === 0 && !attributesOf.run.some((name) => this.#attributes.has(name));
  }

  #see(time: Circumstances["time"]): TimeSeen | undefined {
    return time instanceof Date ? this.#time.at(time) : time;
  }
}

const FIXED_TIME: TimeSeen = { hour: 0, weekday: "monday" };
const FIXED_ADDRESS = "0.0.0.0";
