import { hash, randomUUID } from "node:crypto";
import type { RecordedSettings } from "../../domain/approval/approval.events.ts";
import type { Executable } from "./command-record.ts";
import type { RunningCommand } from "./running-command.ts";
import { statedBy } from "./facts/settings.ts";

/** What an approver reads of them; each is a line of an event that must stay small. */
const MAX_SHOWN_SETTINGS = 20;
const MAX_SHOWN_LENGTH = 200;
/** Names that are remembered of one session; an application's own settings are a few. Beyond, it is like no other. */
const MAX_REMEMBERED_SETTINGS = 200;

/** Under any value of these a command changes and finds the same: they say how long it may take, and how it is planned. */
const besideThePoint =
  /^(?:application_name|client_min_messages|client_encoding|(?:lock|statement|transaction|idle_\w+)_timeout|tcp_\w+|jit\w*|geqo\w*|enable_\w+|\w+_cost|work_mem|hash_mem_multiplier|maintenance_work_mem|temp_buffers|max_parallel_\w+|effective_\w+|log_\w+|debug_\w+|track_\w+|(?:default_)?transaction_\w+|synchronous_commit|escape_string_warning|standard_conforming_strings|backslash_quote|ssl_renegotiation_limit|seed)$/;

/** As facts write it. */
const ANY = "*";

interface Change {
  readonly says: string;
  /** Of what set it; as many of them differ as ways there are that it may have ended. */
  readonly digest: string;
  /** The digests that the commands behind it would have in a plan; undefined stands for anything else. */
  readonly planned: readonly (string | undefined)[];
}

interface Sent {
  readonly executables: readonly Executable[];
  readonly commands: readonly RunningCommand[];
  readonly inTransaction: boolean;
}

/**
 * What the client of one session has set, as far as it may change what a command does: the same text then means other dates, another
 * tenant, other functions. What was approved for a while, or in a plan, is for a session in which they are the same (I4).
 *
 * T1. Two sessions have the same digest only where the same commands set the same names, and ended alike. Where that cannot be told (several
 *     commands at once, computed values, savepoints) the digest is like no other.
 * T2. What code sets that people approved, or that stands in the database, is not seen.
 */
export class SessionSettings {
  readonly #start: ReadonlyMap<string, Change>;
  readonly #plannedDigest: (executable: Executable) => string | undefined;
  #now: Map<string, Change>;
  /** What the open transaction changed, with what was there before. */
  readonly #before = new Map<string, Change | undefined>();
  #sent: Sent | undefined;

  /** `start`: what the client brought along when it connected. */
  constructor(start: Readonly<Record<string, string>>, plannedDigest: (executable: Executable) => string | undefined) {
    const given = Object.entries(start).filter(([name]) => matters(name));
    this.#start = new Map(
      given.map(([name, value]) => [name, { says: shown(`${name} = ${value}, as it connected`), digest: hash("sha256", value), planned: notPlanned }]),
    );
    this.#now = new Map(this.#start);
    this.#plannedDigest = plannedDigest;
  }

  sent(executables: readonly Executable[], commands: readonly RunningCommand[], inTransaction: boolean): void {
    if (executables.some((each) => changes(each) || endsTransaction(each) || goesBack(each))) this.#sent = { executables, commands, inTransaction };
  }

  /** Before the next unit is judged, when the one before is answered. */
  answered(inTransaction: boolean): void {
    const { executables = [], commands = [], inTransaction: before = false } = this.#sent ?? {};
    this.#sent = undefined;
    const [only, second] = executables;
    const confirmed = commands[0]?.confirmed ?? "";
    const alone = only !== undefined && second === undefined && only.facts.statementCount === 1;
    if (alone) this.#ran(only, confirmed, before || inTransaction);
    else
      for (const each of executables)
        this.#lose(goesBack(each) ? [...this.#before.keys(), ...each.facts.settings] : each.facts.settings, before || inTransaction);
    if (alone && endsTransaction(only)) this.#ended(confirmed);
    else if (!inTransaction || executables.some(endsTransaction)) this.#ended(likeNoOther());
  }

  /** The first command of a unit behind which they may be others; -1: there is none. */
  unclearBehind(unit: readonly Executable[]): number {
    return unit.findIndex((each) => changes(each) || (this.#before.size > 0 && endsTransaction(each)));
  }

  /** As they are; undefined: nothing was set. `unclear`: for a command that is sent together with others which change them. */
  current(unclear: boolean): RecordedSettings | undefined {
    const changedBy = [...this.#now.values()].map(({ says }) => says);
    if (changedBy.length === 0 && !unclear) return undefined;
    if (unclear) changedBy.push("commands that are sent together with it");
    const digests = [...this.#now].map(([name, { digest }]) => [name, digest]).toSorted(([a = ""], [b = ""]) => (a < b ? -1 : 1));
    const more = changedBy.length > MAX_SHOWN_SETTINGS ? [`and ${changedBy.length - MAX_SHOWN_SETTINGS} more`] : [];
    return { changedBy: [...changedBy.slice(0, MAX_SHOWN_SETTINGS), ...more], digest: unclear ? likeNoOther() : hash("sha256", JSON.stringify(digests)) };
  }

  /** Whether everything was set by the commands of a plan that ran already, whose digests these are. */
  setBy(digests: readonly string[]): boolean {
    return [...this.#now.values()].every(({ planned }) => planned.every((each) => each !== undefined && digests.includes(each)));
  }

  #ran(command: Executable, confirmed: string, inTransaction: boolean): void {
    const { facts, sql, parameters, recordable } = command;
    // Alone and refused by the target: nothing is set.
    if (confirmed === "") return;
    if (goesBack(command)) this.#lose([...this.#before.keys()], inTransaction);
    if (!facts.verbs.every((verb) => verb === "SET" || verb === "RESET")) {
      if (facts.verbs.join() === "DISCARD" && facts.settings.includes(ANY)) this.#now = new Map(this.#start);
      else this.#lose(facts.settings, inTransaction);
      return;
    }
    if (facts.settings.includes(ANY)) {
      if (inTransaction) this.#lose([ANY], inTransaction);
      else this.#now = new Map([...this.#start, ...[...this.#now].filter(([name]) => actsAs.has(name))]);
      return;
    }
    const values = parameters.map(({ value }) => value?.toString("hex") ?? null);
    const change = { says: shown(recordable), digest: hash("sha256", JSON.stringify([sql.toString("hex"), values])), planned: [this.#plannedDigest(command)] };
    for (const name of facts.settings.filter(matters)) this.#set(name, change, inTransaction);
  }

  #lose(names: readonly string[], inTransaction: boolean): void {
    for (const name of names.filter(matters))
      this.#set(name, { says: `${name}, to what cannot be told`, digest: likeNoOther(), planned: notPlanned }, inTransaction);
  }

  #set(name: string, change: Change, inTransaction: boolean): void {
    if (name !== ANY && !this.#now.has(name) && this.#now.size >= MAX_REMEMBERED_SETTINGS) return this.#lose([ANY], inTransaction);
    if (inTransaction && !this.#before.has(name)) this.#before.set(name, this.#now.get(name));
    this.#now.set(name, change);
  }

  /** What LOCAL set, or what was rolled back, is as it was before: which of them it is, only the target knows. */
  #ended(confirmed: string): void {
    for (const [name, before] of this.#before) {
      const { says, digest, planned } = this.#now.get(name) ?? { says: name, digest: likeNoOther(), planned: notPlanned };
      const ended = hash("sha256", JSON.stringify([digest, before?.digest ?? "", confirmed]));
      this.#now.set(name, { says: `${says} (in a transaction that has ended)`, digest: ended, planned: [...planned, ...(before?.planned ?? [])] });
    }
    this.#before.clear();
  }
}

const matters = (name: string): boolean => !besideThePoint.test(name) && !statedBy.has(name);

const changes = ({ facts: { settings } }: Executable): boolean => settings.some(matters);

const goesBack = ({ facts: { verbs } }: Executable): boolean => verbs.includes("ROLLBACK TO");

const endsTransaction = ({ facts: { verbs } }: Executable): boolean => verbs.some((verb) => /^(?:COMMIT|ROLLBACK|PREPARE TRANSACTION)$/.test(verb));

/** RESET ALL leaves them alone. */
const actsAs: ReadonlySet<string> = new Set(["role", "session_authorization"]);

const notPlanned = [undefined] as const;

const likeNoOther = (): string => hash("sha256", randomUUID());

function shown(recordable: string): string {
  const line = recordable.replaceAll(/\s+/g, " ").trim();
  return line.length > MAX_SHOWN_LENGTH ? `${line.slice(0, MAX_SHOWN_LENGTH).toWellFormed()}…` : line;
}
