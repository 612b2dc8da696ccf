import { createReadStream, existsSync, statSync } from "node:fs";
import { open } from "node:fs/promises";
import { createInterface } from "node:readline";
import { nodePrimitives } from "@sallyport/proto/audit/node-primitives";
import { parseVerifierKey, type VerifierKey } from "@sallyport/proto/audit/note";
import type { OnProgress, Trust, Verdict, WitnessRecord } from "@sallyport/proto/audit/verdict";
import { verifyBundle } from "@sallyport/proto/audit/verify-bundle";
import { verifyLedger } from "@sallyport/proto/audit/verify-ledger";
import { parseWitnessLine } from "@sallyport/proto/audit/witness-record";
import { Misuse } from "../exit-status.ts";
import { ledgerLeaves, ledgerRotations } from "./ledger-leaves.ts";

const SQLITE_MAGIC = "SQLite format 3\0";
/** Fewer, larger reads: a bundle can be gigabytes. */
const READ_BYTES = 1 << 20;

export interface VerifyOptions {
  /** Verifier keys, or files that hold one. */
  readonly keys: readonly string[];
  readonly witnessKeys: readonly string[];
  /** What a witness kept; for a ledger. */
  readonly witness: string | undefined;
}

/** Tells a ledger from a bundle by its first bytes, and verifies it. */
export async function verifyFile(path: string, options: VerifyOptions, onProgress?: OnProgress): Promise<Verdict> {
  if (!existsSync(path) || statSync(path).isDirectory()) throw new Misuse(`There is no file ${path}.`);
  const trust: Trust = {
    keys: await Promise.all(options.keys.map(keyIn)),
    witnessKeys: await Promise.all(options.witnessKeys.map(keyIn)),
    ...(options.witness === undefined ? {} : { witness: witnessRecords(options.witness) }),
  };
  if (await isLedger(path)) return verifyLedger(nodePrimitives, ledgerLeaves(path), { ...trust, rotations: ledgerRotations(path) }, onProgress);
  if (options.witness !== undefined) throw new Misuse("--witness is for a ledger; a bundle is compared with --witness-key.");
  return verifyBundle(nodePrimitives, createReadStream(path, { highWaterMark: READ_BYTES }), trust, onProgress);
}

async function keyIn(value: string): Promise<VerifierKey> {
  const text = existsSync(value) ? await readText(value) : value;
  const key = parseVerifierKey(nodePrimitives.sha256, text.trim());
  if (key === undefined) throw new Misuse(`"${value}" is neither a verifier key nor a file that holds one.`);
  return key;
}

async function readText(path: string): Promise<string> {
  const file = await open(path);
  try {
    return (await file.read(Buffer.alloc(4_096), 0, 4_096)).buffer.toString("utf8").replaceAll("\0", "");
  } finally {
    await file.close();
  }
}

export async function isLedger(path: string): Promise<boolean> {
  const file = await open(path);
  try {
    const { buffer } = await file.read(Buffer.alloc(SQLITE_MAGIC.length), 0, SQLITE_MAGIC.length, 0);
    return buffer.toString("latin1") === SQLITE_MAGIC;
  } finally {
    await file.close();
  }
}

/** The last line may have been cut off by a crash; any other that is not a record ends it with an error. */
async function* witnessRecords(path: string): AsyncGenerator<WitnessRecord> {
  if (!existsSync(path)) throw new Misuse(`There is no witness file ${path}.`);
  let unread = false;
  for await (const line of createInterface({ input: createReadStream(path) })) {
    const record = parseWitnessLine(line);
    if (unread) throw new Misuse(`${path} holds lines that are not checkpoints.`);
    if (record === undefined) unread = line !== "";
    else yield record;
  }
}
