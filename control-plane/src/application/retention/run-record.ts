import * as decider from "../../domain/retention/retention.decider.ts";
import type { RetentionCommand } from "../../domain/retention/retention.decider.ts";
import { type RetentionEvent, retentionStream } from "../../domain/retention/retention.events.ts";
import type { RetainedCategory } from "../../domain/retention/retention-rules.ts";
import type { Ledger } from "../../ledger/ledger.ts";
import type { Execute } from "../execute-command.ts";
import type { CommandContext } from "../ports.ts";

export interface RunRecordDeps {
  readonly ledger: Pick<Ledger, "readStream">;
  readonly execute: Execute;
}

/** The record of one run. */
export class RunRecord {
  readonly #deps: RunRecordDeps;
  readonly #runId: string;
  readonly #context: CommandContext;
  #state = decider.initialState;

  constructor(deps: RunRecordDeps, runId: string, context: CommandContext) {
    this.#deps = deps;
    this.#runId = runId;
    this.#context = context;
  }

  cutOffOf(category: RetainedCategory): string {
    const cutOff = this.#state.cutOffs[category];
    if (cutOff === undefined) throw new Error(`This run has no rule for ${category}.`);
    return cutOff;
  }

  /** Answers where its last event stands. */
  async record(command: RetentionCommand): Promise<bigint> {
    const stream = retentionStream(this.#runId);
    const { state } = await this.#deps.execute<RetentionCommand, decider.RetentionState, RetentionEvent>({ decider, stream, command, context: this.#context });
    this.#state = state;
    for await (const { position } of this.#deps.ledger.readStream(stream, { direction: "backwards", limit: 1 })) return position;
    throw new Error("A run of retention is not in the record.");
  }
}
