import { closeSync, fstatSync, openSync, readSync } from "node:fs";
import { open } from "node:fs/promises";
import type { WitnessRecord } from "@sallyport/proto/audit/verdict";
import { parseWitnessLine, witnessLine } from "@sallyport/proto/audit/witness-record";
import { SallyportError } from "@sallyport/proto/errors";
import type { Witness } from "./witness.ts";

/** Enough for the last line, whole: a note is about 500 bytes. */
const TAIL_BYTES = 65_536;

/** Appends each checkpoint as a line of JSON, and waits until it is on the disk: of another machine, ideally. */
export function witnessFile(path: string): Witness {
  return {
    name: path,
    onlyLatest: false,
    async push({ record }) {
      const file = await open(path, "a", 0o600);
      try {
        const { size } = await file.stat();
        // A line that a crash cut off is ended first, so that it does not spoil the next one.
        const whole = size === 0 || (await endsWithNewline(path, size));
        await file.appendFile(`${whole ? "" : "\n"}${witnessLine(record)}`);
        await file.datasync();
      } finally {
        await file.close();
      }
      return [];
    },
  };
}

/** The last whole record; undefined when there is no such file, or nothing in it. Fails with `ledger.corrupt` when it holds something else. */
export function lastWitnessed(path: string): WitnessRecord | undefined {
  let file: number;
  try {
    file = openSync(path, "r");
  } catch (error) {
    if (error instanceof Error && "code" in error && error.code === "ENOENT") return undefined;
    throw new SallyportError("config.invalid", "The witness file cannot be read.", { path }, error);
  }
  try {
    const { size } = fstatSync(file);
    const tail = Buffer.alloc(Math.min(size, TAIL_BYTES));
    readSync(file, tail, 0, tail.length, size - tail.length);
    const lines = tail
      .toString("utf8")
      .split("\n")
      .slice(size > TAIL_BYTES ? 1 : 0, -1);
    const records = lines.map(parseWitnessLine).filter((record) => record !== undefined);
    if (records.length === 0 && lines.length > 0) throw new SallyportError("ledger.corrupt", "The witness file does not hold checkpoints.", { path });
    return records.at(-1);
  } finally {
    closeSync(file);
  }
}

async function endsWithNewline(path: string, size: number): Promise<boolean> {
  const file = await open(path, "r");
  try {
    const { buffer } = await file.read(Buffer.alloc(1), 0, 1, size - 1);
    return buffer[0] === 0x0a;
  } finally {
    await file.close();
  }
}
