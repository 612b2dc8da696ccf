import type { Context } from "@cedar-policy/cedar-wasm/nodejs";
import type { Circumstances, PolicyAction, Purpose, TimeSeen } from "../domain/decision.ts";
import { hostOf } from "./client-address.ts";
import { LocalTime } from "./local-time.ts";
import type { Rule } from "./rule.ts";
import { policyActions } from "./schema.ts";

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
  replay: ["hour", "weekday"],
  administer: ["hour", "weekday"],
};

/** What the rules of one action look at, and ask to be said. */
interface Concerns {
  readonly attributes: ReadonlySet<string>;
  readonly required: readonly (keyof Purpose)[];
  /** Where they look at nothing: made once, since decisions that are remembered cost little more than this. */
  readonly fixed: Situation | undefined;
}

/**
 * Puts what a decision is taken under in Cedar's terms.
 *
 * C1. Attributes that no rule of the action looks at have a fixed value, so that decisions are remembered whenever they were taken and
 *     whatever reason was given.
 * C2. What a rule looks at must be known, or nothing is permitted: a `forbid` over an unknown address must not be passed over.
 *     That no reason was given is known.
 */
export class CircumstanceReader {
  readonly #concerns: Readonly<Record<PolicyAction, Concerns>>;
  readonly #time: LocalTime;

  constructor(rules: readonly Rule[]) {
    const concerns = (action: PolicyAction): Concerns => {
      const concerned = rules.filter(({ actions }) => actions.includes(action));
      const looked = new Set(concerned.flatMap(({ attributes }) => attributes));
      const attributes = new Set(attributesOf[action].filter((name) => looked.has(name)));
      const required = [...new Set(concerned.flatMap(({ requires }) => requires))];
      return { attributes, required, fixed: attributes.size === 0 && required.length === 0 ? fixedSituation(action) : undefined };
    };
    this.#concerns = Object.fromEntries(policyActions.map((action) => [action, concerns(action)])) as Record<PolicyAction, Concerns>;
    this.#time = new LocalTime(rules.find(({ timezone }) => timezone !== undefined)?.timezone);
  }

  read(action: PolicyAction, { time, clientAddress = "", purpose = NO_PURPOSE }: Circumstances): Situation {
    const { attributes, required, fixed } = this.#concerns[action];
    if (fixed !== undefined) return fixed;
    const seen = attributes.has("hour") || attributes.has("weekday") ? this.#see(time) : FIXED_TIME;
    if (seen === undefined) return { kind: "unfit", why: "a rule looks at the time, and the time of this is not known" };
    const address = attributes.has("clientAddress") ? hostOf(clientAddress) : FIXED_ADDRESS;
    if (address === undefined) return { kind: "unfit", why: "a rule looks at the client's address, and this one is not known" };
    const said = { purpose: attributes.has("purpose") ? purpose.reason : "", ticket: attributes.has("ticket") ? purpose.ticket : "" };
    if (!said.purpose.isWellFormed() || !said.ticket.isWellFormed()) return { kind: "unfit", why: "the reason or the ticket is not valid Unicode" };
    const unsaid = new Set(required.filter((name) => purpose[name] === ""));
    return {
      kind: "ready",
      context: contextOf(action, seen, address, said),
      key: JSON.stringify([seen.hour, seen.weekday, address, said.purpose, said.ticket, ...unsaid]),
      seen: seen === FIXED_TIME ? undefined : seen,
      unsaid,
    };
  }

  #see(time: Circumstances["time"]): TimeSeen | undefined {
    return time instanceof Date ? this.#time.at(time) : time;
  }
}

const FIXED_TIME: TimeSeen = { hour: 0, weekday: "monday" };
const FIXED_ADDRESS = "0.0.0.0";

function contextOf(action: PolicyAction, { hour, weekday }: TimeSeen, address: string, said: { readonly purpose: string; readonly ticket: string }): Context {
  const all: Context = { hour, weekday, clientAddress: { __extn: { fn: "ip", arg: address } }, ...said };
  return Object.fromEntries(attributesOf[action].flatMap((name) => (all[name] === undefined ? [] : [[name, all[name]]])));
}

const fixedSituation = (action: PolicyAction): Situation => ({
  kind: "ready",
  context: contextOf(action, FIXED_TIME, FIXED_ADDRESS, { purpose: "", ticket: "" }),
  key: "",
  seen: undefined,
  unsaid: new Set(),
});
