import { checkpointNote } from "@sallyport/proto/audit/checkpoint";
import { SallyportError } from "@sallyport/proto/errors";
import { readInstant } from "@sallyport/proto/instant";
import { asRecorded, type ExportDeps, type ExportOptions, exportRange, exportStreams, type Selection } from "./export-bundle.ts";
import { type AppendPromise, promiseOf } from "./promise.ts";

const POSITION = /^[0-9]{1,19}$/u;

/** What auditors can have of the log: bundles, promises, and its head. */
export class AuditLog {
  readonly #deps: ExportDeps;

  constructor(deps: ExportDeps) {
    this.#deps = deps;
  }

  /** Positions or instants, both inclusive; empty for the beginning, and for what is signed. */
  async *range(from: string, to: string, options: ExportOptions = asRecorded): AsyncGenerator<string, void, undefined> {
    const first = from === "" ? 0 : await this.#firstLeaf(from, false);
    yield* exportRange(this.#deps, options, to === "" ? { from: first } : { from: first, to: await this.#firstLeaf(to, true) });
  }

  streams(selection: Selection, options: ExportOptions = asRecorded): AsyncIterable<string> {
    return exportStreams(this.#deps, options, selection);
  }

  promise(stream: string, revision: bigint): Promise<AppendPromise> {
    const { ledger, checkpointer, now } = this.#deps;
    return promiseOf(ledger, checkpointer, stream, revision, now());
  }

  head(): { readonly note: string; readonly key: string; readonly treeSize: number } {
    const { last } = this.#deps.checkpointer;
    if (last === undefined) throw new SallyportError("ledger.unavailable", "Nothing is signed yet.");
    return { note: checkpointNote(last, this.#deps.checkpointer.cosignatures(last.treeSize)), key: last.key.text, treeSize: last.treeSize };
  }

  /** The first leaf at this place; or after it, when that is to be included. */
  async #firstLeaf(place: string, after: boolean): Promise<number> {
    const { tree } = this.#deps.checkpointer;
    if (POSITION.test(place)) return tree.leafFrom(BigInt(place) + (after ? 1n : 0n));
    const instant = readInstant(place)?.getTime();
    if (instant === undefined) throw new SallyportError("input.invalid", `"${place.slice(0, 100)}" is neither a position nor an instant.`);
    // The ledger stores in the order of its own clock, or nearly so.
    let [low, high] = [0, tree.size];
    while (low < high) {
      const middle = Math.floor((low + high) / 2);
      const stored = await this.#recordedAt(middle);
      if (after ? stored <= instant : stored < instant) low = middle + 1;
      else high = middle;
    }
    return low;
  }

  async #recordedAt(leaf: number): Promise<number> {
    const { ledger, checkpointer } = this.#deps;
    for await (const { recordedAt } of ledger.readAll({ from: checkpointer.tree.positionOf(leaf), limit: 1 })) return recordedAt.getTime();
    return Number.POSITIVE_INFINITY;
  }
}
