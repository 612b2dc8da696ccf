import { spawnSync } from "node:child_process";
import { closeSync, createReadStream, mkdtempSync, openSync, rmSync, statSync, writeSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { argv, execPath, resourceUsage, stdout } from "node:process";
import { BUNDLE_FORMAT, type BundleHeader, endLine, endText, eventLine, headerLine, sealLine, sealText } from "@sallyport/proto/audit/bundle-format";
import { utf8 } from "@sallyport/proto/audit/bytes";
import { CHECKPOINT_STREAM, CHECKPOINT_TYPE, type CheckpointData, checkpointData, checkpointText, originOf } from "@sallyport/proto/audit/checkpoint";
import { LeafWindow } from "@sallyport/proto/audit/fingerprints";
import { leafText, type LoggedEvent } from "@sallyport/proto/audit/leaf";
import { CompactRange, treeHasher } from "@sallyport/proto/audit/merkle";
import { nodePrimitives } from "@sallyport/proto/audit/node-primitives";
import { parseVerifierKey } from "@sallyport/proto/audit/note";
import { testingEvent, testingSigner } from "@sallyport/proto/audit/testing-log";
import { verifyBundle } from "@sallyport/proto/audit/verify-bundle";
import { type NoteSigner, signNote } from "@sallyport/proto/audit/write-bundle";

/**
 * Events verified per second, and the memory that it takes, for bundles of growing size: one JSON line each.
 * `node test/bench/audit.bench.ts [events…]`; each verification is a process of its own, whose peak is told.
 */
const DEFAULT_SIZES = [100_000, 300_000, 1_000_000];
const PER_CHECKPOINT = 1_000;
const WRITE_BYTES = 1 << 20;

/** Writes the events first and the header before them afterwards, since that names the last checkpoint. */
async function generate(folder: string, count: number): Promise<{ readonly parts: readonly string[]; readonly key: string }> {
  const { sha256 } = nodePrimitives;
  const hasher = treeHasher(sha256);
  const tree = new CompactRange(hasher);
  const window = new LeafWindow(0);
  const body = openSync(join(folder, "body"), "w");
  let signer: NoteSigner | undefined;
  let last: CheckpointData | undefined;
  let covered = 0;
  let revision = 0;
  let waiting: string[] = [];
  let waitingBytes = 0;
  let coveredTree = tree.clone();
  const flush = (): void => {
    writeSync(body, waiting.join(""));
    waiting = [];
    waitingBytes = 0;
  };
  const add = (event: LoggedEvent): void => {
    const text = leafText(event);
    const line = `${eventLine(tree.size, tree.size, text)}\n`;
    const leaf = hasher.leaf(utf8(text));
    signer ??= testingSigner(originOf(leaf));
    tree.append(leaf);
    window.push(leaf, "");
    waiting.push(line);
    waitingBytes += line.length;
    if (waitingBytes > WRITE_BYTES) flush();
  };
  for (let n = 0; tree.size < count; n++) {
    add(testingEvent(n, 500));
    if (tree.size - covered < PER_CHECKPOINT && tree.size < count) continue;
    const leaves = window.fingerprints(window.start, tree.size);
    const { key, sign } = signer as unknown as NoteSigner;
    const treeSize = tree.size;
    const checkpoint = {
      origin: key.name,
      treeSize,
      root: tree.root(),
      time: "2026-11-22T10:00:00.000Z",
      position: String(treeSize),
      leavesDigest: sha256(leaves),
    };
    last = checkpointData(checkpoint, leaves, key, await sign(utf8(checkpointText(checkpoint))));
    window.dropBefore(treeSize);
    covered = treeSize;
    coveredTree = tree.clone();
    if (tree.size < count) add({ stream: CHECKPOINT_STREAM, revision: revision++, id: String(treeSize), type: CHECKPOINT_TYPE, metadata: {}, data: last });
  }
  flush();
  closeSync(body);
  if (last === undefined || signer === undefined) throw new Error("An empty bundle is no benchmark.");
  const { key } = signer;
  const header: BundleHeader = {
    format: BUNDLE_FORMAT,
    origin: key.name,
    scope: { kind: "range" },
    from: 0,
    to: covered,
    frontier: "",
    consistency: "",
    checkpoint: last,
    cosignatures: [],
    key: key.text,
    rotations: [],
    exportedAt: "2026-11-22T10:00:00.000Z",
    schemas: {},
  };
  const first = headerLine(header);
  const digest = sha256(utf8(first));
  const head = `${first}\n${sealLine(await signNote(signer, sealText(key.name, digest)))}\n`;
  const end = `${endLine(await signNote(signer, endText(key.name, digest, { events: covered, selection: coveredTree, keys: new CompactRange(treeHasher(sha256)) })))}\n`;
  for (const [name, text] of [
    ["head", head],
    ["end", end],
  ] as const) {
    const file = openSync(join(folder, name), "w");
    writeSync(file, text);
    closeSync(file);
  }
  return { parts: ["head", "body", "end"].map((name) => join(folder, name)), key: key.text };
}

async function* chunksOf(parts: readonly string[]): AsyncGenerator<Uint8Array> {
  for (const part of parts) yield* createReadStream(part, { highWaterMark: WRITE_BYTES }) as AsyncIterable<Uint8Array>;
}

async function verifyHere(keyText: string, parts: readonly string[]): Promise<void> {
  const key = parseVerifierKey(nodePrimitives.sha256, keyText);
  const start = performance.now();
  const verdict = await verifyBundle(nodePrimitives, chunksOf(parts), { keys: key === undefined ? [] : [key] });
  const seconds = (performance.now() - start) / 1_000;
  if (verdict.kind !== "verified") throw new Error(`The bundle does not verify: ${JSON.stringify(verdict)}`);
  const mib = parts.reduce((bytes, part) => bytes + statSync(part).size, 0) / 1_048_576;
  const figure = {
    bench: "audit.verify",
    events: verdict.events,
    mib: Math.round(mib),
    seconds: Number(seconds.toFixed(2)),
    perSecond: Math.round(verdict.events / seconds),
    peakMib: Math.round(resourceUsage().maxRSS / 1_024),
  };
  stdout.write(`${JSON.stringify(figure)}\n`);
}

const [mode = "", ...rest] = argv.slice(2);
if (mode === "--verify") {
  const [key = "", ...parts] = rest;
  await verifyHere(key, parts);
} else {
  const sizes = mode === "" ? DEFAULT_SIZES : [mode, ...rest].map(Number);
  for (const size of sizes) {
    const folder = mkdtempSync(join(tmpdir(), "audit-bench-"));
    try {
      const { parts, key } = await generate(folder, size);
      spawnSync(execPath, [import.meta.filename, "--verify", key, ...parts], { stdio: "inherit" });
    } finally {
      rmSync(folder, { recursive: true });
    }
  }
}
