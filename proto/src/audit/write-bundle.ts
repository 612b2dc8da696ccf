import { type BundleHeader, endLine, endText, eventLine, evidenceLine, headerLine, removedEventLine, sealLine, sealText } from "./bundle-format.ts";
import { toBase64, utf8 } from "./bytes.ts";
import { canonicalJson } from "./canonical-json.ts";
import { CompactRange, type Hash, treeHasher } from "./merkle.ts";
import { noteText, signatureLine, type VerifierKey } from "./note.ts";
import type { Sha256 } from "./primitives.ts";
import type { RemovedLine } from "./removed-line.ts";

export interface NoteSigner {
  readonly key: VerifierKey;
  sign(message: Uint8Array): Promise<Uint8Array>;
}

export interface BundledEvent {
  readonly index: number;
  /** What the leaf hash is over. */
  readonly text: string;
  /** For a selection. */
  readonly proof?: readonly Hash[];
  /** What opens the personal data of each subject in it, for whoever the bundle is for. */
  readonly keys?: ReadonlyMap<string, Uint8Array>;
  readonly removed?: never;
}

export interface BundledRemoval {
  readonly index: number;
  readonly leaf: Hash;
  readonly removed: RemovedLine;
  readonly proof?: readonly Hash[];
}

/** An event that says what was removed, or when it was signed. */
export type BundledEvidence = BundledEvent & { readonly proof: readonly Hash[] };

export const signNote = async (signer: NoteSigner, text: string): Promise<string> => noteText(text, [signatureLine(signer.key, await signer.sign(utf8(text)))]);

const keysText = (keys: ReadonlyMap<string, Uint8Array>): string =>
  canonicalJson(Object.fromEntries(Array.from(keys, ([subject, key]) => [subject, toBase64(key)])));

/** The lines of a bundle, each with its newline. */
export async function* writeBundle(
  sha256: Sha256,
  header: BundleHeader,
  events: AsyncIterable<BundledEvent | BundledRemoval> | Iterable<BundledEvent | BundledRemoval>,
  signer: NoteSigner,
  evidence: readonly BundledEvidence[] = [],
): AsyncGenerator<string, void, undefined> {
  const hasher = treeHasher(sha256);
  const first = headerLine(header);
  const digest = sha256(utf8(first));
  yield `${first}\n`;
  yield `${sealLine(await signNote(signer, sealText(header.origin, digest)))}\n`;
  const [selection, opening] = [new CompactRange(hasher), new CompactRange(hasher)];
  for (const { index, text, proof } of evidence) {
    yield `${evidenceLine(selection.size, index, text, proof)}\n`;
    selection.append(hasher.leaf(utf8(text)));
  }
  for await (const event of events) {
    const { index, proof, removed } = event;
    if (removed === undefined) {
      const keys = event.keys === undefined || event.keys.size === 0 ? undefined : keysText(event.keys);
      yield `${eventLine(selection.size, index, event.text, proof, keys)}\n`;
      if (keys !== undefined) opening.append(hasher.leaf(utf8(keys)));
    } else {
      yield `${removedEventLine(selection.size, index, removed, proof)}\n`;
    }
    selection.append(removed === undefined ? hasher.leaf(utf8(event.text)) : event.leaf);
  }
  const totals = { events: selection.size, selection, keys: opening };
  yield `${endLine(await signNote(signer, endText(header.origin, digest, totals)))}\n`;
}
