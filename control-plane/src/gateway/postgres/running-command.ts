import { hash } from "node:crypto";
import type { Report } from "@sallyport/proto/gen/sallyport/tunnel/v1/tunnel";
import type { CommandLimit, CommandOutcome, SessionEvent } from "../../domain/session/session.events.ts";

type Completed = Extract<SessionEvent, { type: "CommandCompleted" }>;

/** A command between its authorisation and its completion, gathering what is recorded of it. */
export class RunningCommand {
  readonly commandId: number;
  readonly #startedAt = performance.now();
  #durationMicros: number | undefined;
  #outcome: CommandOutcome = "unknown";
  #errorCode: string | undefined;
  #tag = "";
  #rows = 0n;
  #withheld = 0n;
  #bytes = 0n;
  #digest = "";
  #limit: CommandLimit | undefined;
  readonly #masked = new Map<string, bigint>();
  /** Reports that the agent still owes for it. */
  awaitedReports = 0;

  constructor(commandId: number) {
    this.commandId = commandId;
  }

  tagged(tag: string): void {
    this.#tag = tag;
  }

  succeeded(): void {
    if (this.#outcome === "unknown") this.#outcome = "succeeded";
  }

  /** What the target said when it was done; empty until then, and where it failed. */
  get confirmed(): string {
    return this.#outcome === "succeeded" ? this.#tag : "";
  }

  /** 57014 is query_canceled. */
  failed(sqlstate: string): void {
    this.#outcome = sqlstate === "57014" ? "cancelled" : "failed";
    this.#errorCode = sqlstate;
  }

  /** An earlier command of its group failed, so that the target never ran it. */
  skipped(): void {
    this.#outcome = "cancelled";
  }

  /** The target is done with it, though its group may not be over. */
  ended(): void {
    this.#durationMicros ??= this.#elapsed();
  }

  add(report: Report): void {
    this.#limit ??= limits.find((limit) => limit === report.limit);
    this.#rows += report.rows;
    this.#withheld += report.withheldRows;
    this.#bytes += report.bytes;
    const digest = report.digest.toString("hex");
    // A simple query of several statements has a report for each: the digest runs over theirs, in order.
    this.#digest = this.#digest === "" ? digest : hash("sha256", this.#digest + digest);
    for (const { column, cells } of report.masked) this.#masked.set(column, (this.#masked.get(column) ?? 0n) + cells);
  }

  completed(): Completed {
    return {
      type: "CommandCompleted",
      data: {
        commandId: this.commandId,
        outcome: this.#outcome,
        ...(this.#errorCode === undefined ? {} : { errorCode: this.#errorCode }),
        tag: this.#tag,
        rows: Number(this.#rows),
        withheldRows: Number(this.#withheld),
        bytes: Number(this.#bytes),
        maskedCells: Object.fromEntries([...this.#masked].map(([column, cells]) => [column, Number(cells)])),
        resultDigest: this.#digest,
        durationMicros: this.#durationMicros ?? this.#elapsed(),
        ...(this.#limit === undefined ? {} : { limit: this.#limit }),
      },
    };
  }

  #elapsed(): number {
    return Math.floor((performance.now() - this.#startedAt) * 1_000);
  }
}

const limits = ["rows", "bytes", "time"] as const satisfies readonly CommandLimit[];
