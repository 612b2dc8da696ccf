import type { Report } from "@sallyport/proto/gen/sallyport/tunnel/v1/tunnel";
import type { RunningCommand } from "./running-command.ts";

/**
 * Joins the agent's reports to commands. The agent sends one after each message that ends a command, in order; the gateway
 * sees the same messages. A command is complete when it has finished and its reports are in.
 */
export class ReportCollector {
  readonly #owners: (RunningCommand | undefined)[] = [];
  readonly #finished = new Set<RunningCommand>();
  readonly #complete: (command: RunningCommand) => void;

  constructor(complete: (command: RunningCommand) => void) {
    this.#complete = complete;
  }

  /** The target ended `command`'s (or nobody's) results: a report follows. */
  expect(command: RunningCommand | undefined): void {
    this.#owners.push(command);
    if (command !== undefined) command.awaitedReports++;
  }

  add(report: Report): void {
    const command = this.#owners.shift();
    if (command === undefined) return;
    command.awaitedReports--;
    command.add(report);
    if (this.#finished.has(command) && command.awaitedReports === 0) this.#settle(command);
  }

  finish(command: RunningCommand): void {
    this.#finished.add(command);
    if (command.awaitedReports === 0) this.#settle(command);
  }

  /** No more reports will come: completes what has finished with what is known. */
  flush(): void {
    this.#owners.length = 0;
    for (const command of this.#finished) this.#settle(command);
  }

  #settle(command: RunningCommand): void {
    this.#finished.delete(command);
    this.#complete(command);
  }
}
