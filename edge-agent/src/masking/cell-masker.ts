import type { Obligations } from "@sallyport/proto/gen/sallyport/tunnel/v1/tunnel";
import { type ColumnIdentity, ColumnRules } from "./column-rules.ts";
import { DetectorSet } from "./detector-set.ts";
import { FULL_MASK, type MaskKeys, type MaskKind, maskValue } from "./mask-value.ts";
import { type TokenAlphabet, tokenOf } from "./token.ts";

/** What a policy says about cells, compiled. Knows nothing of any protocol, row or type. */
export class CellMasker {
  readonly #rules: ColumnRules;
  readonly #detectors: DetectorSet;
  readonly #keys: MaskKeys;

  constructor(obligations: Pick<Obligations, "maskColumns" | "detectors" | "showComputed">, keys: MaskKeys) {
    this.#rules = new ColumnRules(obligations.maskColumns, obligations.showComputed !== true);
    this.#detectors = new DetectorSet(obligations.detectors);
    this.#keys = keys;
  }

  get hasColumnRules(): boolean {
    return !this.#rules.empty;
  }

  /** Policy says to show what is computed from masked columns. */
  get showsComputed(): boolean {
    return this.#rules.showsComputed;
  }

  get hasDetectors(): boolean {
    return !this.#detectors.empty;
  }

  /** The mask of a whole column, which goes before the content scan. */
  kindOf(column: ColumnIdentity): MaskKind | undefined {
    return this.#rules.kindOf(column);
  }

  /** Whether NULL is masked, too, in a column that has this mask. */
  hidesNull(mask: MaskKind | undefined, column: ColumnIdentity): boolean {
    return mask === "full" && this.#rules.isComputed(column);
  }

  /** Overwrites what the detectors find, in place; the number of matches. */
  scan(bytes: Buffer, from: number, to: number, json = false): number {
    return this.#detectors.mask(bytes, from, to, json);
  }

  /** What every value becomes under `full`, without a look at the value. Not to be written to. */
  get full(): Buffer {
    return FULL_MASK;
  }

  /** The text that stands in the place of a whole value; null is SQL NULL. */
  render(kind: MaskKind, value: Buffer): Buffer | null {
    return maskValue(kind, value, this.#keys);
  }

  /** A token of a value that is not text. */
  token(value: Buffer, alphabet: TokenAlphabet): Buffer {
    return tokenOf(value, this.#keys.token, alphabet);
  }
}
