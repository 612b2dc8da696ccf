import { createHash, hash, type Hash } from "node:crypto";
import type { MaskedCells, Report } from "@sallyport/proto/gen/sallyport/tunnel/v1/tunnel";

const DIGEST = "sha256";
/** Of the names of masked columns in one report, which is a frame of the tunnel: 800 of PostgreSQL's longest. */
export const MAX_REPORTED_BYTES = 64 * 1024;
/** What a column takes in a report besides its name. */
const CELLS_OVERHEAD_BYTES = 16;
/** Under this name the masked cells of all other columns are counted. */
const MORE_COLUMNS = "(more columns)";
const NOTHING = hash(DIGEST, Buffer.alloc(0), "buffer");

/** Counts and digests the result rows of one command, as they leave. A result within one chunk costs one call of `hash`. */
export class ResultTally {
  rows = 0;
  withheld = 0;
  /** Of rows that no cap kept back, as the target sent them. */
  admittedBytes = 0;
  /** The limit of policy that cut the command short. */
  limit: "rows" | "bytes" | "time" | undefined;
  #bytes = 0;
  readonly #masked = new Map<string, number>();
  #hash: Hash | undefined;
  #source: Buffer | undefined;
  #from = 0;
  #to = 0;

  /** A DataRow or CopyData message, or a part of one. */
  add(source: Buffer, from: number, to: number): void {
    this.#bytes += to - from;
    if (source === this.#source && from === this.#to) {
      this.#to = to;
      return;
    }
    this.settle();
    this.#source = source;
    this.#from = from;
    this.#to = to;
  }

  mask(column: string, cells: number): void {
    if (cells > 0) this.#masked.set(column, (this.#masked.get(column) ?? 0) + cells);
  }

  /** Digests what `add` left for later: its buffer is not ours after the call that brought it. */
  settle(): void {
    if (this.#source === undefined) return;
    this.#hash ??= createHash(DIGEST);
    this.#hash.update(this.#source.subarray(this.#from, this.#to));
    this.#source = undefined;
  }

  /** The report of the command that ends here; the next one starts from zero. */
  take(): Report {
    const digest = this.#digest();
    const report: Report = {
      rows: BigInt(this.rows),
      bytes: BigInt(this.#bytes),
      masked: this.#maskedCells(),
      digest,
      withheldRows: BigInt(this.withheld),
      ...(this.limit === undefined ? {} : { limit: this.limit }),
    };
    this.rows = 0;
    this.withheld = 0;
    this.admittedBytes = 0;
    this.limit = undefined;
    this.#bytes = 0;
    this.#masked.clear();
    this.#hash = undefined;
    this.#source = undefined;
    return report;
  }

  /** The report follows its rows, so that it must fit whatever their columns are called. */
  #maskedCells(): MaskedCells[] {
    const named: MaskedCells[] = [];
    let bytes = 0;
    let more = 0;
    for (const [column, cells] of this.#masked) {
      bytes += Buffer.byteLength(column) + CELLS_OVERHEAD_BYTES;
      if (bytes <= MAX_REPORTED_BYTES) named.push({ column, cells: BigInt(cells) });
      else more += cells;
    }
    return more === 0 ? named : [...named, { column: MORE_COLUMNS, cells: BigInt(more) }];
  }

  #digest(): Buffer {
    if (this.#hash !== undefined) {
      this.settle();
      return this.#hash.digest();
    }
    return this.#source === undefined ? NOTHING : hash(DIGEST, this.#source.subarray(this.#from, this.#to), "buffer");
  }
}
