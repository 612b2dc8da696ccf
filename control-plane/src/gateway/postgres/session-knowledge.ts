import type { TransactionStatus } from "@sallyport/proto/wire/postgres/backend";
import type { StatementAnalysis } from "./facts/analysis.ts";
import {
  afterUnclassified,
  isAsciiSafe,
  type Portal,
  preparedNamesAfter,
  type Prepared,
  type SessionNames,
  type TextReading,
  touchesPortals,
} from "./judge.ts";
import { NamedObjects } from "./named-objects.ts";

/**
 * What is known of the session at the target, from its answers alone and in their order.
 *
 * K1. Names are what the target has confirmed, less what commands that ran since may have made of them.
 * K2. Once the target may read text otherwise than our parser, it stays so: settings can come back in ways that are not
 *     announced in time (RESET, ROLLBACK).
 * K3. Settings are announced with ReadyForQuery: until then code that cannot be classified may have changed them unseen.
 */
export class SessionKnowledge implements SessionNames {
  readonly statements = new NamedObjects<Prepared>();
  readonly portals = new NamedObjects<Portal>();
  readonly #idle: () => void;
  #clientEncoding = "UTF8";
  #reading: TextReading = { kind: "as_parsed" };
  #suspect = false;

  /** `idle` is called whenever no transaction is open any more. */
  constructor(clientEncoding: string, idle: () => void = () => undefined) {
    this.#idle = idle;
    this.parameter("client_encoding", clientEncoding);
  }

  get clientEncoding(): string {
    return this.#clientEncoding;
  }

  /** Code that cannot be classified ran, and the target has not said since what it changed. */
  get suspect(): boolean {
    return this.#suspect;
  }

  get reading(): TextReading {
    return this.#suspect ? afterUnclassified : this.#reading;
  }

  parameter(name: string, value: string): void {
    if (name === "client_encoding") {
      this.#clientEncoding = value;
      if (!isAsciiSafe(value)) this.#reading = { kind: "plain", why: `Text in the client encoding ${value} cannot be parsed safely.` };
    } else if (name === "standard_conforming_strings" && value !== "on") {
      this.#reading = { kind: "plain", why: "With standard_conforming_strings off, backslashes cannot be parsed safely." };
    }
  }

  /** `undefined`: nothing is known of what ran. What runs in a portal can do anything but replace that portal. */
  ran(analysis: StatementAnalysis | undefined, portal?: string): void {
    const names = preparedNamesAfter(analysis);
    if (names === "all") this.statements.clear();
    else for (const name of names) this.statements.delete(name);
    if (touchesPortals(analysis)) this.portals.clear(portal);
    if (analysis === undefined || analysis.facts.riskClass === "unclassified") this.#suspect = true;
  }

  ready(status: TransactionStatus): void {
    this.#suspect = false;
    if (status !== "I") return;
    this.portals.clear();
    this.#idle();
  }
}
