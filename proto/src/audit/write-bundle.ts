import { type BundleHeader, endLine, endText, eventLine, evidenceLine, headerLine, removedEventLine, sealLine, sealText } from "./bundle-format.ts";
import { utf8 } from "./bytes.ts";
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
  const selection = new CompactRange(hasher);
  for (const { index, text, proof } of evidence) {
    yield `${evidenceLine(selection.size, index, text, proof)}\n`;
    selection.append(hasher.leaf(utf8(text)));
  }
  for await (const event of events) {
    const { index, proof, removed } = event;
    yield `${removed === undefined ? eventLine(selection.size, index, event.text, proof) : removedEventLine(selection.size, index, removed, proof)}\n`;
    selection.append(removed === undefined ? hasher.leaf(utf8(event.text)) : event.leaf);
  }
  yield `${endLine(await signNote(signer, endText(header.origin, digest, selection.size, selection.root())))}\n`;
}
