import { toBase64, utf8 } from "@sallyport/proto/audit/bytes";
import { nodePrimitives } from "@sallyport/proto/audit/node-primitives";
import { checkpointOf } from "@sallyport/proto/audit/checkpoint";
import { type BundleHeader, endText, headerLine, sealLine, endLine, sealText, parseEventLine, removedEventLine } from "@sallyport/proto/audit/bundle-format";
import { CompactRange, treeHasher } from "@sallyport/proto/audit/merkle";
import { parseRemoved, type RemovedLine } from "@sallyport/proto/audit/removed-line";
import { testingSigner } from "@sallyport/proto/audit/testing-log";
import { signNote } from "@sallyport/proto/audit/write-bundle";
import type { Random } from "./random.ts";

export interface AlteredBundle {
  readonly kind: string;
  readonly bytes: Uint8Array;
  /** Where the first bad line is; one of these. */
  readonly lines: readonly number[];
}

type Alteration = (text: string, lines: readonly string[], random: Random) => AlteredBundle | Promise<AlteredBundle>;

const FIRST_EVENT = 2;
const join = (lines: readonly string[]): Uint8Array => utf8(`${lines.join("\n")}\n`);
const isRange = (lines: readonly string[]): boolean => (JSON.parse(lines[0] ?? "{}") as BundleHeader).scope.kind === "range";
const linesOf = (lines: readonly string[], kind: "event" | "removed" | "evidence"): number[] =>
  lines.flatMap((line, at) => (at >= FIRST_EVENT && at < lines.length - 1 && parseEventLine(utf8(line))?.kind === kind ? [at] : []));
const anEvent = (lines: readonly string[], random: Random): number => random.pick(linesOf(lines, "event"));
/** As if it had always been the n-th. */
const renumbered = (line: string, by: number, range: boolean): string =>
  line.replace(/^\{"n":(\d+),"index":(\d+)/u, (_all, n: string, index: string) => `{"n":${Number(n) + by},"index":${Number(index) + (range ? by : 0)}`);

const keysOf = (line: string | undefined): string => /,"keys":\{[^}]*\}/u.exec(line ?? "")?.[0] ?? "";
const withKeys = (lines: readonly string[], random: Random): number => random.pick(lines.flatMap((line, at) => (keysOf(line) === "" ? [] : [at])));

const alterations: Readonly<Record<string, Alteration>> = {
  "a flipped bit": (text, lines, random) => {
    const bytes = utf8(text);
    const at = random.between(0, bytes.length);
    bytes[at] = (bytes[at] as number) ^ (1 << random.between(0, 8));
    let line = 1;
    let end = 0;
    for (const each of lines) {
      end += utf8(each).length + 1;
      if (at < end) break;
      line++;
    }
    return { kind: "a flipped bit", bytes, lines: [line] };
  },
  "a changed word": (_text, lines, random) => {
    const at = anEvent(lines, random);
    const changed = lines.with(at, (lines[at] as string).replace(/"schemaVersion":1/u, '"schemaVersion":2'));
    return { kind: "a changed word", bytes: join(changed), lines: [at + 1] };
  },
  "a dropped event": (_text, lines, random) => {
    const at = anEvent(lines, random);
    return { kind: "a dropped event", bytes: join(lines.toSpliced(at, 1)), lines: [at + 1] };
  },
  "a dropped event, the rest renumbered": (_text, lines, random) => {
    const range = isRange(lines);
    const at = anEvent(lines, random);
    const rest = lines.slice(at + 1).map((line) => renumbered(line, -1, range));
    // In a selection it shows at the next event of the same stream; after its last one, at the end.
    const stream = streamOf(lines[at] as string);
    const next = rest.findIndex((line, i) => i === rest.length - 1 || streamOf(line) === stream);
    return { kind: "a dropped event, the rest renumbered", bytes: join([...lines.slice(0, at), ...rest]), lines: [range ? at + 1 : at + 1 + next] };
  },
  "swapped events": (_text, lines, random) => {
    const [a, b] = [anEvent(lines, random), anEvent(lines, random)];
    const [first, second] = [Math.min(a, b), a === b ? a + 1 : Math.max(a, b)];
    if (second >= lines.length - 1) return { kind: "swapped events", bytes: join(lines.toSpliced(a, 1)), lines: [a + 1] };
    const swapped = lines.with(first, lines[second] as string).with(second, lines[first] as string);
    return { kind: "swapped events", bytes: join(swapped), lines: [first + 1] };
  },
  "an inserted event": (_text, lines, random) => {
    const at = anEvent(lines, random);
    const forged = (lines[at] as string).replace(/"id":"........-/u, '"id":"deadbeef-');
    return { kind: "an inserted event", bytes: join(lines.toSpliced(at, 0, forged)), lines: [at + 1] };
  },
  "an inserted event, the rest renumbered": (_text, lines, random) => {
    const range = isRange(lines);
    const at = anEvent(lines, random);
    const forged = (lines[at] as string).replace(/"id":"........-/u, '"id":"deadbeef-');
    const rest = lines.slice(at).map((line) => renumbered(line, 1, range));
    return { kind: "an inserted event, the rest renumbered", bytes: join([...lines.slice(0, at), forged, ...rest]), lines: [at + 1] };
  },
  "a cut tail": (text, lines, random) => {
    const at = anEvent(lines, random);
    const whole = random.between(0, 2) === 0;
    const kept = utf8(`${lines.slice(0, at).join("\n")}\n`);
    const next = utf8(lines[at] as string);
    const bytes = whole ? kept : utf8(text).slice(0, kept.length + random.between(1, next.length));
    return { kind: "a cut tail", bytes, lines: [at + 1] };
  },
  "a cut tail, the end put back": (_text, lines, random) => {
    const at = anEvent(lines, random);
    return { kind: "a cut tail, the end put back", bytes: join([...lines.slice(0, at), lines.at(-1) as string]), lines: [at + 1] };
  },
  "a forged checkpoint": (_text, lines) => {
    const header = JSON.parse(lines[0] as string) as BundleHeader;
    const root = toBase64(nodePrimitives.sha256(utf8("another history")));
    const forged = headerLine({ ...header, checkpoint: { ...header.checkpoint, root } });
    return { kind: "a forged checkpoint", bytes: join(lines.with(0, forged)), lines: [1] };
  },
  "keys of another event": (_text, lines, random) => {
    const [at, donor] = [withKeys(lines, random), withKeys(lines, random)];
    const keys = donor === at ? undefined : keysOf(lines[donor]);
    // With no other line at hand, the event is left without.
    const changed = (lines[at] as string).replace(keysOf(lines[at]), () => keys ?? "");
    return { kind: "keys of another event", bytes: join(lines.with(at, changed)), lines: [keys === undefined ? lines.length : at + 1] };
  },
  "a replaced key": async (_text, lines) => ({ kind: "a replaced key", bytes: join(await signedByAnother(lines)), lines: [1] }),
};

/** What is left of a removed event is changed, or an event is passed off as a removed one. Only of bundles that have such. */
const removals: Readonly<Record<string, Alteration>> = {
  "another hash of a removed event": (_text, lines, random) => {
    const leaf = toBase64(nodePrimitives.sha256(utf8(`another ${random.between(0, 1_000_000)}`)));
    return changedRemoved("another hash of a removed event", lines, random, (removed) => ({ ...removed, leaf }));
  },
  "another stream of a removed event": (_text, lines, random) =>
    changedRemoved("another stream of a removed event", lines, random, (removed) => ({ ...removed, stream: `${removed.stream}0` })),
  "another revision of a removed event": (_text, lines, random) =>
    changedRemoved("another revision of a removed event", lines, random, (removed) => ({ ...removed, revision: removed.revision + 1 })),
  "an event passed off as removed": (_text, lines, random) => {
    const at = anEvent(lines, random);
    const parsed = parseEventLine(utf8(lines[at] as string));
    const donor = JSON.parse(lines[random.pick(linesOf(lines, "removed"))] as string) as { readonly removed: RemovedLine };
    if (parsed === undefined) throw new Error("Not an event.");
    const leaf = toBase64(treeHasher(nodePrimitives.sha256).leaf(parsed.event));
    const changed = removedEventLine(parsed.n, parsed.index, { ...donor.removed, leaf }, parsed.proof);
    return { kind: "an event passed off as removed", bytes: join(lines.with(at, changed)), lines: [at + 1] };
  },
  "evidence left out": (_text, lines, random) => {
    const at = random.pick(linesOf(lines, "evidence"));
    const rest = lines.slice(at + 1).map((line) => renumbered(line, -1, false));
    const first = linesOf(lines, "removed")[0] as number;
    // One that no removed event needs is missed at the end.
    return { kind: "evidence left out", bytes: join([...lines.slice(0, at), ...rest]), lines: [first, lines.length - 1] };
  },
  "an altered word of the evidence": (_text, lines, random) => {
    const at = random.pick(linesOf(lines, "evidence"));
    const changed = (lines[at] as string).replace(/"at":"2/u, '"at":"3');
    return { kind: "an altered word of the evidence", bytes: join(lines.with(at, changed)), lines: [at + 1] };
  },
};

function changedRemoved(kind: string, lines: readonly string[], random: Random, change: (removed: RemovedLine) => RemovedLine): AlteredBundle {
  const at = random.pick(linesOf(lines, "removed"));
  const parsed = parseEventLine(utf8(lines[at] as string));
  if (parsed === undefined) throw new Error("Not a line of a removed event.");
  const { removed } = JSON.parse(lines[at] as string) as { readonly removed: RemovedLine };
  return { kind, bytes: join(lines.with(at, removedEventLine(parsed.n, parsed.index, change(removed), parsed.proof))), lines: [at + 1] };
}

export const removalAlterations = Object.keys(removals);

export const bundleAlterations = Object.keys(alterations);

export async function alterBundle(kind: string, text: string, random: Random): Promise<AlteredBundle> {
  const alter = alterations[kind] ?? removals[kind];
  if (alter === undefined) throw new Error(`No such alteration: ${kind}`);
  return alter(text, text.slice(0, -1).split("\n"), random);
}

const streamOf = (line: string): string | undefined => /"stream":"([^"]*)","type":"[^"]*"\}\}$/u.exec(line)?.[1];

/** Everything that the holder of another key can do: a bundle that is right in itself. */
async function signedByAnother(lines: readonly string[]): Promise<string[]> {
  const header = JSON.parse(lines[0] as string) as BundleHeader;
  const signer = testingSigner(header.origin);
  const unsigned = checkpointOf(nodePrimitives.sha256, { ...header.checkpoint, key: signer.key.text });
  if (unsigned === undefined) throw new Error("The header holds no checkpoint.");
  const checkpoint = { ...header.checkpoint, key: signer.key.text, signature: toBase64(await signer.sign(utf8(unsigned.text))) };
  const first = headerLine({ ...header, key: signer.key.text, rotations: [], checkpoint });
  const digest = nodePrimitives.sha256(utf8(first));
  const hasher = treeHasher(nodePrimitives.sha256);
  const selection = new CompactRange(hasher);
  const events = lines.slice(FIRST_EVENT, -1);
  for (const line of events) {
    const parsed = parseEventLine(utf8(line));
    if (parsed !== undefined) selection.append(parseRemoved(parsed.event)?.leaf ?? hasher.leaf(parsed.event));
  }
  const seal = sealLine(await signNote(signer, sealText(header.origin, digest)));
  return [
    first,
    seal,
    ...events,
    endLine(await signNote(signer, endText(header.origin, digest, { events: selection.size, selection, keys: new CompactRange(hasher) }))),
  ];
}
