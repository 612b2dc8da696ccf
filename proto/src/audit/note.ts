import { concat, fromBase64, toBase64, toHex, utf8 } from "./bytes.ts";
import { ED25519_KEY_BYTES, ED25519_SIGNATURE_BYTES, type Primitives, type Sha256 } from "./primitives.ts";

/** Signed notes as c2sp.org/signed-note has them: text, an empty line, one line for each signature. */

/** Signature types of the specification: Ed25519 over the text; Ed25519 over a timestamp and a checkpoint (tlog-cosignature). */
export const ED25519 = 0x01;
export const COSIGNATURE = 0x04;

/** The specification's. */
const KEY_ID_BYTES = 4;
const SIGNATURE_LINE = /^— (\S+) (\S+)$/u;

/** A verifier key: `<name>+<key id>+<base64 of type and key>`. */
export interface VerifierKey {
  readonly text: string;
  readonly name: string;
  /** 8 hexadecimal digits. */
  readonly id: string;
  readonly type: number;
  readonly publicKey: Uint8Array;
}

export interface NoteSignature {
  readonly name: string;
  readonly keyId: string;
  readonly signature: Uint8Array;
}

export interface Note {
  /** Ends with a newline. */
  readonly text: string;
  readonly signatures: readonly NoteSignature[];
}

/** SHA-256(name, newline, type, key), its first four bytes. */
export function keyId(sha256: Sha256, name: string, publicKey: Uint8Array, type = ED25519): string {
  return toHex(sha256(concat(utf8(`${name}\n`), Uint8Array.of(type), publicKey)).subarray(0, KEY_ID_BYTES));
}

export function verifierKey(sha256: Sha256, name: string, publicKey: Uint8Array, type = ED25519): VerifierKey {
  const id = keyId(sha256, name, publicKey, type);
  return { text: `${name}+${id}+${toBase64(concat(Uint8Array.of(type), publicKey))}`, name, id, type, publicKey };
}

/** Undefined when it is not one, or when its key id is not that of its name and key. */
export function parseVerifierKey(sha256: Sha256, text: string): VerifierKey | undefined {
  const [, name, id, encoded] = /^([^\s+]+)\+([0-9a-f]{8})\+(\S+)$/u.exec(text) ?? [];
  const bytes = encoded === undefined ? undefined : fromBase64(encoded);
  if (name === undefined || bytes?.length !== 1 + ED25519_KEY_BYTES) return undefined;
  const type = bytes[0] as number;
  if (type !== ED25519 && type !== COSIGNATURE) return undefined;
  const key = verifierKey(sha256, name, bytes.slice(1), type);
  return key.id === id ? key : undefined;
}

export const signatureLine = ({ name, id }: Pick<VerifierKey, "name" | "id">, signature: Uint8Array): string =>
  `— ${name} ${toBase64(
    concat(
      Uint8Array.from(id.match(/../gu) ?? [], (hex) => Number.parseInt(hex, 16)),
      signature,
    ),
  )}\n`;

export const noteText = (text: string, signatureLines: readonly string[]): string => `${text}\n${signatureLines.join("")}`;

/** Undefined when it is malformed. */
export function parseNote(note: string): Note | undefined {
  const at = note.lastIndexOf("\n\n");
  if (at < 0 || !note.endsWith("\n")) return undefined;
  const signatures: NoteSignature[] = [];
  for (const line of note.slice(at + 2, -1).split("\n")) {
    const [, name, encoded] = SIGNATURE_LINE.exec(line) ?? [];
    const bytes = encoded === undefined ? undefined : fromBase64(encoded);
    if (name === undefined || bytes === undefined || bytes.length <= KEY_ID_BYTES) return undefined;
    signatures.push({ name, keyId: toHex(bytes.subarray(0, KEY_ID_BYTES)), signature: bytes.slice(KEY_ID_BYTES) });
  }
  return { text: note.slice(0, at + 1), signatures };
}

/** Whether one of the note's signatures is by this key and right. */
export async function isSignedBy(primitives: Primitives, { text, signatures }: Note, key: VerifierKey): Promise<boolean> {
  for (const { name, keyId: id, signature } of signatures) {
    if (name !== key.name || id !== key.id) continue;
    if (key.type === ED25519) return primitives.verifyEd25519(key.publicKey, utf8(text), signature);
    return verifyCosignature(primitives, text, signature, key);
  }
  return false;
}

/** c2sp.org/tlog-cosignature: 8 bytes of time, then a signature over that time and the checkpoint. */
function verifyCosignature(primitives: Primitives, text: string, bytes: Uint8Array, key: VerifierKey): boolean | Promise<boolean> {
  if (bytes.length !== 8 + ED25519_SIGNATURE_BYTES) return false;
  const time = new DataView(bytes.buffer, bytes.byteOffset).getBigUint64(0);
  return primitives.verifyEd25519(key.publicKey, utf8(`cosignature/v1\ntime ${time}\n${text}`), bytes.slice(8));
}
