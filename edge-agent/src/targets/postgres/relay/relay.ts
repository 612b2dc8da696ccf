import type { Obligations, Report } from "@sallyport/proto/gen/sallyport/tunnel/v1/tunnel";
import type { HoldBytes } from "../../held-bytes.ts";
import { ClientSide } from "./client-side.ts";
import type { Lineage } from "../../../masking/lineage.ts";
import type { MaskKeys } from "../../../masking/mask-value.ts";
import type { Unlearnt } from "../catalogue/explore.ts";
import type { ColumnCatalogue, StatedLineage } from "./column-lineage.ts";
import type { CopyColumns, CopyLayout } from "./copy-layout.ts";
import { compileDuties } from "./duties.ts";
import { Expectations } from "./expectations.ts";
import type { ResultColumn } from "./result-columns.ts";
import { TargetSide } from "./target-side.ts";

export interface PostgresRelayDeps {
  readonly obligations: Obligations;
  /** For the whole session: the target must not leave read-only transactions. */
  readonly readOnly?: boolean;
  readonly catalogue: ColumnCatalogue;
  /** This has to be looked up before anything more can pass: call `learnt` when it was, and send no more bytes of the target until then. */
  readonly learn: (unlearnt: Unlearnt) => void;
  /** The session's transaction may have changed tables or views, and is over. */
  readonly definitionsChanged: () => void;
  readonly maskKeys: MaskKeys;
  readonly toTarget: (bytes: Buffer) => void;
  readonly toClient: (bytes: Buffer) => void;
  /** For each message of the client that makes the target execute something. */
  readonly executes: () => void;
  /** For each that makes it plan something: constants are worked out by then. */
  readonly prepares?: () => void;
  /** Of results, until they are passed on. What it throws ends the session. */
  readonly hold?: HoldBytes;
  /** After each answer of the target but rows: `busy` may be over. */
  readonly answered?: () => void;
  /** After the bytes of each message that ends a command. */
  readonly report: (report: Report) => void;
  /** After each ReadyForQuery. */
  readonly ready?: () => void;
}

/**
 * Both directions of a PostgreSQL session after its login: pure, synchronous, no I/O of its own.
 *
 * R1. What no obligation speaks of passes byte for byte, whatever the chunking.
 * R2. Nothing passes after a failure: each later call fails like the first one.
 * R3. Obligations change only between commands.
 * R4. Where columns are masked, no row passes before it is known where each of its columns comes from.
 */
export class PostgresRelay {
  readonly #expectations = new Expectations();
  readonly #client: ClientSide;
  readonly #target: TargetSide;
  readonly #maskKeys: MaskKeys;
  #failure: { readonly error: unknown } | undefined;

  constructor(deps: PostgresRelayDeps) {
    const { obligations, maskKeys, toTarget, executes, prepares = nothing, answered = nothing, ready = nothing, hold = nothing } = deps;
    const expectations = this.#expectations;
    const duties = compileDuties(obligations, maskKeys);
    expectations.strict = duties.columns;
    this.#maskKeys = maskKeys;
    this.#client = new ClientSide(expectations, toTarget, executes, prepares);
    this.#target = new TargetSide(duties, { ...deps, expectations, ready, answered, hold });
  }

  /** May change and keep `bytes`. Throws when it cannot follow, or must not pass what it sees: end the session. */
  fromClient(bytes: Buffer): void {
    this.#guard(() => this.#client.push(bytes));
  }

  /** May change and keep `bytes`. Throws when it cannot follow, or cannot mask what it must: end the session. */
  fromTarget(bytes: Buffer): void {
    this.#guard(() => this.#target.push(bytes));
  }

  setObligations(obligations: Obligations): void {
    if (this.busy()) throw new Error("obligations may change only between commands");
    const duties = compileDuties(obligations, this.#maskKeys);
    this.#expectations.strict = duties.columns;
    this.#client.forgetDescribed();
    this.#target.oblige(duties);
  }

  /** What the results of the commands that follow are made of. One that comes in the middle of a command says nothing about its results. */
  expectResults(stated: StatedLineage): void {
    this.#client.forgetDescribed();
    this.#target.expectResults(this.busy() ? "unknown" : stated);
  }

  /** What `learn` asked for is known. */
  learnt(): void {
    this.#guard(() => this.#target.learnt());
  }

  /** The session's transaction may have changed definitions that others cannot see yet. */
  get unsettled(): boolean {
    return this.#target.unsettled;
  }

  /** Where columns of the next result come from; adds to `unlearnt` what has to be looked up first. */
  lineagesOf(columns: readonly ResultColumn[], unlearnt: Unlearnt): readonly Lineage[] {
    return this.#target.lineagesOf(columns, unlearnt);
  }

  /**
   * For the next COPY OUT only. Without a layout, text and CSV with any masked column lose every cell. `refusal`: what the target said to
   * our question and would have said to the COPY, before that question failed the transaction.
   */
  expectCopyColumns(columns: CopyColumns, layout?: CopyLayout, refusal?: Buffer): void {
    this.#target.expectCopy({ columns, layout }, refusal);
  }

  /** The target's answer to being cancelled, until the command ends, is replaced by `error`: whoever reads it must know why. */
  stopping(error: Buffer): void {
    this.#target.stopping(error);
  }

  /** A text is being answered that may hold more statements. */
  get inQuery(): boolean {
    return this.#expectations.inQuery;
  }

  /** Whether the target may still be at work for the client. */
  busy(): boolean {
    return !this.#expectations.idle;
  }

  #guard(step: () => void): void {
    if (this.#failure !== undefined) throw this.#failure.error;
    try {
      step();
    } catch (error) {
      this.#failure = { error };
      throw error;
    }
  }
}

const nothing = (): void => undefined;
