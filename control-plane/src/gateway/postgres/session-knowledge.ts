import type { TransactionStatus } from "@sallyport/proto/wire/postgres/backend";
import type { StatementAnalysis } from "./facts/analysis.ts";
import { madeBy } from "./executed-by-name.ts";
import { NamedObjects } from "./named-objects.ts";
import { SearchPath } from "./search-path.ts";
import { type Cursor, type Portal, preparedNamesAfter, type Prepared, type SessionNames, touchesPortals } from "./session-names.ts";
import { afterUnclassified, isAsciiSafe, readingIn, type TextReading } from "./text-reading.ts";
import type { RunningCommand } from "./running-command.ts";

/**
 * What is known of the session at the target, from its answers alone and in their order.
 *
 * K1. Names are what the target has confirmed, less what commands that ran since may have made of them.
 * K2. Once the target may read text otherwise than our parser, it stays so: settings can come back in ways that are not
 *     announced in time (RESET, ROLLBACK).
 * K3. Settings are announced with ReadyForQuery: until then code that cannot be classified may have changed them unseen.
 * K4. A cursor that is gone may still be here; a name that means another cursor or portal by now never is.
 * K5. What the names of relations may mean: see search-path.ts.
 */
export class SessionKnowledge implements SessionNames {
  readonly statements = new NamedObjects<Prepared>();
  readonly portals = new NamedObjects<Portal>();
  readonly cursors = new NamedObjects<Cursor>();
  /** What is being run and makes a name, if it succeeds. */
  #making: { readonly text: Prepared; readonly command: RunningCommand } | undefined;
  readonly searchPath: SearchPath;
  readonly #idle: () => void;
  #greeted = false;
  #clientEncoding = "UTF8";
  /** Of the database; it says so when the session begins. */
  #serverEncoding = "UTF8";
  #reading: TextReading = { kind: "as_parsed", utf8: true };
  #suspect = false;

  /** `idle` is called whenever no transaction is open any more. `searchPath`: what the client asked for when it connected. */
  constructor(clientEncoding: string, idle: () => void = () => undefined, searchPath?: string) {
    this.#idle = idle;
    this.searchPath = new SearchPath(searchPath);
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
      if (this.#reading.kind === "as_parsed") this.#reading = readingIn(value, this.#serverEncoding);
      if (!isAsciiSafe(value)) this.#reading = { kind: "plain", why: `Text in the client encoding ${value} cannot be parsed safely.` };
    } else if (name === "server_encoding") {
      this.#serverEncoding = value;
      if (this.#reading.kind === "as_parsed") this.#reading = readingIn(this.#clientEncoding, value);
    } else if (name === "standard_conforming_strings" && value !== "on") {
      this.#reading = { kind: "plain", why: "With standard_conforming_strings off, backslashes cannot be parsed safely." };
    } else if (name === "search_path") {
      this.searchPath.reported(value, !this.#greeted);
    }
  }

  /** `undefined`: nothing is known of what ran. What runs in a portal can do anything but replace that portal. */
  ran(analysis: StatementAnalysis | undefined, portal?: string): void {
    this.searchPath.ran(analysis);
    const names = preparedNamesAfter(analysis);
    if (names === "all") this.statements.clear();
    else for (const name of names) this.statements.delete(name);
    if (touchesPortals(analysis)) this.portals.clear(portal);
    if (analysis === undefined || analysis.facts.riskClass === "unclassified") {
      this.cursors.clear();
      this.#suspect = true;
      return;
    }
    // Known again when the target confirms a DECLARE that was sent by itself; one that a portal ran stays unknown.
    if (analysis.named?.kind === "declare") this.cursors.delete(analysis.named.name);
    else if (analysis.facts.verbs.includes("DECLARE")) this.cursors.clear();
  }

  /** A text that makes a name is sent. What the name meant before holds until the target says that it is done. */
  makes(text: Prepared, command: RunningCommand | undefined): void {
    this.#making = command === undefined || text.analysis.named === undefined ? undefined : { text, command };
  }

  ready(status: TransactionStatus): void {
    this.#suspect = false;
    this.#greeted = true;
    this.searchPath.ready();
    this.#made();
    if (status !== "I") return;
    this.portals.clear();
    for (const [name, { held }] of this.cursors.all()) if (!held) this.cursors.delete(name);
    this.#idle();
  }

  #made(): void {
    const { text, command } = this.#making ?? {};
    this.#making = undefined;
    const named = text?.analysis.named;
    const made = text === undefined ? undefined : madeBy(text);
    if (text === undefined || made === undefined || command === undefined) return;
    if (named?.kind === "prepare" && command.confirmed === "PREPARE") this.statements.set(named.name, made, costOf(text));
    if (named?.kind === "declare" && command.confirmed === "DECLARE CURSOR") {
      this.cursors.set(named.name, { declared: made, held: named.held }, costOf(text));
    }
  }
}

/** The text, what it is recorded as, and the facts of it. */
const costOf = ({ sql }: Prepared): number => sql.length * 4 + 1_024;
