import { fromBase64, utf8 } from "./bytes.ts";
import { parseVerifierKey, type VerifierKey } from "./note.ts";
import type { Primitives } from "./primitives.ts";

/** The data of SigningKeyRotated: both keys sign the same text, the old one to hand over, the new one to show that it is held. */
export interface RotationData {
  readonly oldKey: string;
  readonly newKey: string;
  readonly time: string;
  readonly oldSignature: string;
  readonly newSignature: string;
}

export const rotationText = (oldKey: string, newKey: string, time: string): string => `sallyport-key-rotation/1\n${oldKey}\n${newKey}\ntime ${time}\n`;

/** The keys of a log in the order in which each handed over to the next. The first is taken on trust, or compared with a pinned one. */
export class KeyChain {
  readonly #primitives: Primitives;
  readonly #keys: VerifierKey[] = [];
  #sealed = false;

  constructor(primitives: Primitives) {
    this.#primitives = primitives;
  }

  get keys(): readonly VerifierKey[] {
    return this.#keys;
  }

  get current(): VerifierKey | undefined {
    return this.#keys.at(-1);
  }

  begin(key: VerifierKey): void {
    if (this.#keys.length > 0) throw new Error("A key chain begins once.");
    this.#keys.push(key);
  }

  /** The whole chain is known beforehand, as in a bundle: from now on every key of it signs, and none is added. */
  seal(): void {
    this.#sealed = true;
  }

  /** Whether a checkpoint may be signed by this key now. */
  accepts(key: VerifierKey): boolean {
    return this.#sealed ? this.#keys.some(({ text }) => text === key.text) : this.current?.text === key.text;
  }

  /** Takes the next key, or answers false when the current one did not hand over to it. */
  async rotate(data: object): Promise<boolean> {
    const { oldKey, newKey, time, oldSignature, newSignature } = data as Partial<Record<keyof RotationData, unknown>>;
    if (typeof oldKey !== "string" || typeof newKey !== "string" || typeof time !== "string") return false;
    if (typeof oldSignature !== "string" || typeof newSignature !== "string") return false;
    const { sha256, verifyEd25519 } = this.#primitives;
    const [old, next] = [parseVerifierKey(sha256, oldKey), parseVerifierKey(sha256, newKey)];
    const [byOld, byNew] = [fromBase64(oldSignature), fromBase64(newSignature)];
    if (old === undefined || next === undefined || byOld === undefined || byNew === undefined || old.name !== next.name) return false;
    const { current } = this;
    if (this.#sealed) return this.#follows(old, next);
    // Twice the same is no other key; that it is there twice is for the tree to find.
    const known = this.#follows(old, next) && current?.text === next.text;
    if (current !== undefined && current.text !== old.text && !known) return false;
    const text = utf8(rotationText(oldKey, newKey, time));
    if (!(await verifyEd25519(old.publicKey, text, byOld)) || !(await verifyEd25519(next.publicKey, text, byNew))) return false;
    if (known) return true;
    if (current === undefined) this.#keys.push(old);
    this.#keys.push(next);
    return true;
  }

  #follows(old: VerifierKey, next: VerifierKey): boolean {
    const at = this.#keys.findIndex(({ text }) => text === old.text);
    return at >= 0 && this.#keys[at + 1]?.text === next.text;
  }
}
