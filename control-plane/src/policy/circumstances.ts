import type { Context } from "@cedar-policy/cedar-wasm/nodejs";
import type { Circumstances, PolicyAction, Purpose, TimeSeen } from "../domain/decision.ts";
import { hostOf } from "./client-address.ts";
import { LocalTime } from "./local-time.ts";
import type { Rule } from "./rule.ts";
import { policyActions } from "./schema.ts";
import type { Attributes, RequestSlice } from "./request-slice.ts";

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

/** What is known of a situation that some rule looks at. */
interface Known {
  readonly time: TimeSeen;
  readonly address: string;
  readonly purpose: Purpose;
}

const attributes: Attributes<Known> = {
  hour: ({ time }) => time.hour,
  weekday: ({ time }) => time.weekday,
  clientAddress: ({ address }) => ({ __extn: { fn: "ip", arg: address } }),
  purpose: ({ purpose }) => purpose.reason,
  ticket: ({ purpose }) => purpose.ticket,
};

/** What the rules of one action look at, and ask to be said. */
interface Concerns {
  readonly time: boolean;
  readonly address: boolean;
  readonly purpose: boolean;
  readonly ticket: boolean;
  readonly required: readonly (keyof Purpose)[];
}

/** Where no rule looks at anything: made once, since decisions that are remembered cost little more than this. */
const nothing: Situation = { kind: "ready", context: {}, key: "", seen: undefined, unsaid: new Set() };

/**
 * Puts what a decision is taken under in Cedar's terms.
 *
 * C1. Attributes that no rule of the action looks at are left out, so that decisions are remembered whenever they were taken and
 *     whatever reason was given.
 * C2. What a rule looks at must be known, or nothing is permitted: a `forbid` over an unknown address must not be passed over.
 *     That no reason was given is known.
 */
export class CircumstanceReader {
  readonly #slice: RequestSlice;
  /** Undefined of an action whose rules look at nothing of this. */
  readonly #concerns: ReadonlyMap<PolicyAction, Concerns | undefined>;
  readonly #time: LocalTime;

  constructor(rules: readonly Rule[], slice: RequestSlice) {
    this.#slice = slice;
    const concerns = (action: PolicyAction): readonly [PolicyAction, Concerns | undefined] => {
      const [time, address] = [slice.sees(action, "hour") || slice.sees(action, "weekday"), slice.sees(action, "clientAddress")];
      const [purpose, ticket] = [slice.sees(action, "purpose"), slice.sees(action, "ticket")];
      const required = [...new Set(rules.filter(({ actions }) => actions.includes(action)).flatMap(({ requires }) => requires))];
      return [action, time || address || purpose || ticket || required.length > 0 ? { time, address, purpose, ticket, required } : undefined];
    };
    this.#concerns = new Map(policyActions.map(concerns));
    this.#time = new LocalTime(rules.find(({ timezone }) => timezone !== undefined)?.timezone);
  }

  read(action: PolicyAction, { time, clientAddress = "", purpose = NO_PURPOSE }: Circumstances): Situation {
    const concerns = this.#concerns.get(action);
    if (concerns === undefined) return nothing;
    const seen = concerns.time ? this.#see(time) : NOT_SEEN;
    if (seen === undefined) return { kind: "unfit", why: "a rule looks at the time, and the time of this is not known" };
    const address = concerns.address ? hostOf(clientAddress) : "";
    if (address === undefined) return { kind: "unfit", why: "a rule looks at the client's address, and this one is not known" };
    const said = { reason: concerns.purpose ? purpose.reason : "", ticket: concerns.ticket ? purpose.ticket : "" };
    if (!said.reason.isWellFormed() || !said.ticket.isWellFormed()) return { kind: "unfit", why: "the reason or the ticket is not valid Unicode" };
    const context = this.#slice.context(action, attributes, { time: seen, address, purpose: said });
    const unsaid = new Set(concerns.required.filter((name) => purpose[name] === ""));
    return {
      kind: "ready",
      context,
      // What was seen is part of the decision, whatever the rules made of it.
      key: JSON.stringify([seen.hour, seen.weekday, context, ...unsaid]),
      seen: seen === NOT_SEEN ? undefined : seen,
      unsaid,
    };
  }

  #see(time: Circumstances["time"]): TimeSeen | undefined {
    return time instanceof Date ? this.#time.at(time) : time;
  }
}

const NOT_SEEN: TimeSeen = { hour: 0, weekday: "monday" };
