import { endText, type EventLine, MAX_LINE_BYTES, parseEventLine, startsWith } from "./bundle-format.ts";
import { textOf, toBase64, utf8 } from "./bytes.ts";
import { CHECKPOINT_STREAM, CHECKPOINT_TYPE, checkpointOf, ROTATION_TYPE } from "./checkpoint.ts";
import { Evidence } from "./evidence.ts";
import { LineReader } from "./lines.ts";
import { LogVerifier } from "./log-verifier.ts";
import { CompactRange, type Hash, type TreeHasher, treeHasher, verifyConsistency, verifyInclusion } from "./merkle.ts";
import { isSignedBy } from "./note.ts";
import { openEvent } from "./open-event.ts";
import { noteIn, type OpenBundle, openBundle } from "./open-bundle.ts";
import type { Primitives } from "./primitives.ts";
import { parseRemoved, type RemovedEvent } from "./removed-line.ts";
import { type Finding, type OnProgress, PROGRESS_EVENTS, type Trust, type Verdict } from "./verdict.ts";

/** Lines before the first event. */
const HEADING = 2;

/** How far is read on for a line that is not in its place, and for a checkpoint that tells which event above a broken line is wrong. */
export const MAX_LOOK_AHEAD = 10_000;

/**
 * Verifies a bundle as it arrives, in bounded memory, and answers the first thing that is wrong. Throws nothing of its own: what is
 * in the bundle is a verdict; what `chunks` throws passes.
 */
export async function verifyBundle(primitives: Primitives, chunks: AsyncIterable<Uint8Array>, trust: Trust, onProgress?: OnProgress): Promise<Verdict> {
  const hasher = treeHasher(primitives.sha256);
  const lines = new LineReader(chunks, MAX_LINE_BYTES);
  try {
    const opened = await openBundle(primitives, hasher, trust, await lines.next(), await lines.next());
    if (opened.kind === "refused") return { kind: "tampered", finding: opened.finding, events: 0 };
    return await new BundleReading(primitives, hasher, trust, lines, opened.bundle).run(onProgress);
  } finally {
    await lines.stop();
  }
}

/**
 * Everything after the header. The events of a range are proven together, at the next checkpoint: what is wrong with the form of a
 * line is told only when no event above it turns out to be wrong (`#settle`). Those of a selection are proven one by one.
 */
class BundleReading {
  readonly #primitives: Primitives;
  readonly #hasher: TreeHasher;
  readonly #lines: LineReader;
  readonly #bundle: OpenBundle;
  readonly #isRange: boolean;
  readonly #pinned: boolean;
  readonly #log: LogVerifier;
  readonly #selection: CompactRange;
  readonly #revisions = new Map<string, bigint>();
  readonly #keys: CompactRange;
  readonly #removals: Evidence;
  #lastIndex = -1;
  /** Lines of events, and before them those of evidence. */
  #events = 0;
  #opened = 0;
  #evidence = 0;

  constructor(primitives: Primitives, hasher: TreeHasher, trust: Trust, lines: LineReader, bundle: OpenBundle) {
    this.#primitives = primitives;
    this.#hasher = hasher;
    this.#lines = lines;
    this.#bundle = bundle;
    this.#isRange = bundle.header.scope.kind === "range";
    this.#pinned = trust.keys.length > 0;
    this.#log = new LogVerifier(primitives, { keys: [] }, bundle.start, bundle.chain);
    this.#selection = new CompactRange(hasher);
    this.#keys = new CompactRange(hasher);
    this.#removals = new Evidence(primitives, hasher, bundle.chain);
  }

  get #n(): number {
    return this.#events + this.#evidence;
  }

  async run(onProgress: OnProgress | undefined): Promise<Verdict> {
    for (;;) {
      const line = this.#lines.buffered() ?? (await this.#lines.next());
      const here = this.#n + HEADING + 1;
      if (line === undefined || this.#lines.cut) return this.#settle({ code: "tail.cut", message: "The bundle ends before its end.", line: here });
      const parsed = parseEventLine(line);
      if (parsed === undefined) return this.#end(line, here);
      if (parsed.n !== this.#n) return this.#outOfPlace(parsed, here);
      if (parsed.kind === "evidence" && this.#events === 0) {
        const finding = await this.#shown(parsed, here);
        if (finding !== undefined) return this.#tampered(finding);
        continue;
      }
      const removed = parsed.kind === "removed" ? parseRemoved(parsed.event) : undefined;
      const leaf = removed?.leaf ?? this.#hasher.leaf(parsed.event);
      const finding = (this.#isRange ? this.#inRange(parsed, here) : this.#selected(parsed, leaf, here)) ?? this.#missing(parsed, removed, here);
      if (finding !== undefined) return this.#isRange ? this.#settle(finding) : this.#tampered(finding);
      const control = this.#isRange && removed === undefined ? controlIn(parsed.event) : undefined;
      if (control === "broken") return this.#settle({ code: "event.altered", message: "This line is not one that an export writes.", line: here });
      if (control !== undefined) {
        const found = await this.#log.control(control.type, control.data, leaf);
        if (found !== undefined) return this.#tampered(this.#withLine(found));
      }
      if (this.#isRange) this.#log.leaf(leaf);
      this.#selection.append(leaf);
      this.#events++;
      const unopened = parsed.keys === undefined ? undefined : await this.#open(parsed.event, parsed.keys, here);
      if (unopened !== undefined) return this.#settle(unopened);
      if (this.#events % PROGRESS_EVENTS === 0) onProgress?.(this.#events);
    }
  }

  async #open(event: Uint8Array, keys: Uint8Array, line: number): Promise<Finding | undefined> {
    this.#keys.append(this.#hasher.leaf(keys));
    const found = await openEvent(this.#primitives, event, keys);
    this.#opened += found?.opened ?? 0;
    return found === undefined ? { code: "key.wrong", message: "A key of this line does not open what is sealed in its event.", line } : undefined;
  }

  /** One by one, as in a selection: what is shown here may be elsewhere in the log. */
  async #shown({ index, proof = [], event }: EventLine, line: number): Promise<Finding | undefined> {
    const { treeSize, root } = this.#bundle.checkpoint;
    const leaf = this.#hasher.leaf(event);
    if (!verifyInclusion(this.#hasher, index, treeSize, leaf, proof, root)) {
      return { code: "event.altered", message: "The proof of this evidence does not lead to the signed root.", index, line };
    }
    if (!(await this.#removals.add(event))) return { code: "event.altered", message: "This is no evidence of a removal.", index, line };
    this.#selection.append(leaf);
    this.#evidence++;
    return undefined;
  }

  /** What is wrong with a line of an event whose contents are not there. */
  #missing({ kind, index }: EventLine, removed: RemovedEvent | undefined, line: number): Finding | undefined {
    if (kind === "evidence") return { code: "event.altered", message: "Evidence stands before the events.", index, line };
    if (kind === "event") return undefined;
    if (removed === undefined) return { code: "event.altered", message: "This line is not one that an export writes.", index, line };
    const problem = this.#removals.problemWith(removed, index);
    return problem === undefined ? undefined : { code: "event.removed", message: problem, index, line };
  }

  #inRange({ index, proof }: EventLine, line: number): Finding | undefined {
    const { from, to } = this.#bundle.header;
    if (index === from + this.#events && index < to && proof === undefined) return undefined;
    return { code: "event.altered", message: "This line says that its event is at another place of the log.", line };
  }

  /** No revision of a stream may be left out, and none may come before one above it. */
  #selected({ kind, index, proof, event }: EventLine, leaf: Hash, line: number): Finding | undefined {
    const { checkpoint, header } = this.#bundle;
    if (kind === "removed" && parseRemoved(event) === undefined) return undefined; // told next
    if (proof === undefined || !verifyInclusion(this.#hasher, index, checkpoint.treeSize, leaf, proof, checkpoint.root)) {
      return { code: "event.altered", message: "The proof of this event does not lead to the signed root.", index, line };
    }
    if (index <= this.#lastIndex) return { code: "event.reordered", message: "This event was recorded before the one above it.", index, line };
    // Proven: these are the bytes that were recorded, which are JSON; what is said of a removed event is checked next.
    const { stream, revision } = JSON.parse(textOf(event) ?? "") as { readonly stream: string; readonly revision: string | number };
    const next = this.#revisions.get(stream) ?? 0n;
    if (BigInt(revision) !== next) {
      return { code: "event.missing", message: `Revision ${next} of ${stream} is left out of the bundle of this ${header.scope.kind}.`, index, line };
    }
    this.#revisions.set(stream, next + 1n);
    this.#lastIndex = index;
    return undefined;
  }

  async #end(line: Uint8Array, here: number): Promise<Verdict> {
    const { header, digest, chain } = this.#bundle;
    const note = noteIn(line, "end");
    const left = header.to - header.from - this.#events;
    if (note === undefined && (await this.#lines.next()) === undefined && (!this.#isRange || left <= 0)) {
      return this.#settle({ code: "bundle.altered", message: "The last line is not the end of a bundle.", line: here });
    }
    if (note === undefined) return this.#settle({ code: "event.altered", message: "This line is not one that an export writes.", line: here });
    if (this.#isRange && left > 0) return this.#settle({ code: "event.missing", message: `${left} events of the range are not there.`, line: here });
    const whole = this.#wholeRange();
    if (whole !== undefined) return this.#tampered(whole);
    if (chain.current === undefined || !(await isSignedBy(this.#primitives, note, chain.current))) {
      return this.#tampered({ code: "bundle.altered", message: "The last line is not signed by the key of the log.", line: here });
    }
    const totals = { events: this.#n, selection: this.#selection, keys: this.#keys };
    if (note.text !== endText(header.origin, digest, totals)) {
      if (note.text.startsWith(endText(header.origin, digest, { ...totals, keys: new CompactRange(this.#hasher) }))) {
        return this.#tampered({ code: "bundle.altered", message: "These are not the keys that were exported.", line: here });
      }
      return this.#tampered({ code: "event.missing", message: "These are not all the events that were exported.", line: here });
    }
    if ((await this.#lines.next()) !== undefined) {
      return this.#tampered({ code: "bundle.altered", message: "Something was added after the end of the bundle.", line: here + 1 });
    }
    return this.#verified();
  }

  /** The tree over what was before the range and what is in it must grow into the tree that was signed. */
  #wholeRange(): Finding | undefined {
    const { checkpoint, consistency } = this.#bundle;
    if (!this.#isRange) return undefined;
    const own = { size: this.#log.size, root: this.#log.root() };
    if (verifyConsistency(this.#hasher, own, { size: checkpoint.treeSize, root: checkpoint.root }, consistency)) return undefined;
    const located = [...this.#removals.checkpoints, checkpoint]
      .map((each) => this.#log.locate(each, Math.min(each.treeSize, this.#log.size)))
      .find((each) => each !== undefined);
    return located === undefined ? { code: "proof.altered", message: "The events do not lead to the signed root.", line: 1 } : this.#withLine(located);
  }

  async #outOfPlace(parsed: EventLine, line: number): Promise<Verdict> {
    const { n } = parsed;
    const expected = this.#n;
    const message = `Event ${expected} of the bundle belongs here; this is event ${n}.`;
    if (n < expected) return this.#settle({ code: "event.inserted", message, line }, parsed);
    return this.#settle({ code: "event.missing", message, line }, parsed, expected);
  }

  /** Reads on: is the missing line further below, and does the next checkpoint contradict an event above? */
  async #settle(finding: Finding, current?: EventLine, missing?: number): Promise<Verdict> {
    let isFound = false;
    let told = !this.#isRange;
    for (let i = 0; i < MAX_LOOK_AHEAD && !(told && (missing === undefined || isFound)); i++) {
      const line = i === 0 && current !== undefined ? current : await this.#lines.next();
      if (line === undefined) break;
      const parsed = line instanceof Uint8Array ? parseEventLine(line) : line;
      if (parsed === undefined) continue;
      isFound ||= parsed.n === missing;
      const control = told ? undefined : controlIn(parsed.event);
      const checkpoint =
        control !== undefined && control !== "broken" && control.type === CHECKPOINT_TYPE ? checkpointOf(this.#primitives.sha256, control.data) : undefined;
      if (checkpoint === undefined) continue;
      const earlier = await this.#log.earlier(checkpoint);
      if (earlier !== undefined) return this.#tampered(this.#withLine(earlier));
      told = checkpoint.treeSize >= this.#log.size;
    }
    for (const checkpoint of told ? [] : [...this.#removals.checkpoints, this.#bundle.checkpoint]) {
      const earlier = await this.#log.earlier(checkpoint);
      if (earlier !== undefined) return this.#tampered(this.#withLine(earlier));
    }
    return this.#tampered(isFound ? { ...finding, code: "event.reordered" } : finding);
  }

  #withLine(finding: Finding): Finding {
    const { from } = this.#bundle.header;
    if (finding.index === undefined || finding.end !== undefined) return { ...finding, code: "proof.altered", line: 1 };
    return { ...finding, line: finding.index - from + this.#evidence + HEADING + 1 };
  }

  #tampered(finding: Finding): Verdict {
    return { kind: "tampered", finding, events: this.#isRange ? Math.min(this.#events, this.#log.signedSize - this.#bundle.header.from) : this.#events };
  }

  #verified(): Verdict {
    const { header, checkpoint, chain, cosigned } = this.#bundle;
    const { treeSize, root, time } = checkpoint;
    return {
      kind: "verified",
      origin: header.origin,
      events: this.#events,
      removed: this.#removals.events,
      removals: this.#removals.runs(),
      treeSize,
      root: toBase64(root),
      signedAt: time,
      unsigned: 0,
      keys: chain.keys,
      pinned: this.#pinned,
      witnessed: 0,
      cosigned,
      opened: this.#opened,
      forgotten: header.forgotten ?? [],
    };
  }
}

/** Canonical JSON ends with the stream and the type, so nothing has to be parsed to see that an event is about the log itself. */
const CONTROL_ENDS = [CHECKPOINT_TYPE, ROTATION_TYPE].map((type) => utf8(`"stream":"${CHECKPOINT_STREAM}","type":"${type}"}`));

function controlIn(event: Uint8Array): { readonly type: string; readonly data: object } | "broken" | undefined {
  if (!CONTROL_ENDS.some((end) => startsWith(event, end, event.length - end.length))) return undefined;
  try {
    const { type, data } = JSON.parse(textOf(event) ?? "") as { readonly type: unknown; readonly data: unknown };
    return typeof type === "string" && typeof data === "object" && data !== null ? { type, data } : "broken";
  } catch {
    return "broken";
  }
}
