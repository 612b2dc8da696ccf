import { SallyportError } from "@sallyport/proto/errors";
import type { MaskColumn } from "@sallyport/proto/gen/sallyport/tunnel/v1/tunnel";
import type { Lineage, Origin } from "./lineage.ts";
import { MASK_KINDS, type MaskKind } from "./mask-value.ts";

export interface ColumnIdentity {
  /** The name that the result shows. */
  readonly label: string;
  /** Absent when nothing is known about where it comes from. */
  readonly lineage?: Lineage | undefined;
}

interface Rule {
  readonly column: string;
  readonly table: string;
  readonly kind: MaskKind;
}

/**
 * Which mask a result column falls under. The strictest rule that matches wins, so that their order never matters.
 * What is computed from a masked column is masked whole: no other kind can be trusted with a value of another shape.
 */
export class ColumnRules {
  readonly #rules: readonly Rule[];
  readonly #masksComputed: boolean;

  /** Fails with `policy.invalid` on a kind that it does not know. */
  constructor(rules: readonly MaskColumn[], masksComputed: boolean) {
    this.#rules = rules.map((rule) => ({ column: rule.column.toLowerCase(), table: rule.table.toLowerCase(), kind: knownKind(rule) }));
    this.#masksComputed = masksComputed;
  }

  get empty(): boolean {
    return this.#rules.length === 0;
  }

  get showsComputed(): boolean {
    return !this.#masksComputed;
  }

  kindOf({ label, lineage }: ColumnIdentity): MaskKind | undefined {
    if (this.#rules.length === 0) return undefined;
    const shown = label.toLowerCase();
    let kind = lineage?.opaque === true && this.#masksComputed ? wholly("full") : undefined;
    for (const rule of this.#rules) {
      if (matchesLabel(rule, shown, lineage) || lineage?.origins.some((origin) => matches(rule, origin)) === true) kind = stricter(kind, rule.kind);
      if (this.#masksComputed && lineage?.madeOf.some((origin) => matches(rule, origin)) === true) kind = stricter(kind, wholly(rule.kind));
    }
    return kind;
  }

  /** It is computed from a masked column, so that its being NULL tells of that one, too. */
  isComputed({ lineage }: ColumnIdentity): boolean {
    if (lineage === undefined || !this.#masksComputed) return false;
    return lineage.opaque || lineage.madeOf.some((origin) => this.#rules.some((rule) => matches(rule, origin)));
  }
}

const matches = ({ table, column }: Rule, origin: Origin): boolean =>
  (table === "" || origin.tables.has(table)) && (column === "*" || origin.columns.has(column));

/** By the name that the result shows; a rule for one table only where the column is of it, or of no table. */
function matchesLabel({ table, column }: Rule, shown: string, lineage: Lineage | undefined): boolean {
  if (table === "") return column === "*" || column === shown;
  if (lineage === undefined) return column === "*" || column === shown;
  return column === shown && (lineage.origins.length === 0 || lineage.origins.some(({ tables }) => tables.has(table)));
}

const wholly = (kind: MaskKind): MaskKind => (kind === "null" ? "null" : "full");

const stricter = (a: MaskKind | undefined, b: MaskKind): MaskKind => (a === undefined || MASK_KINDS.indexOf(b) < MASK_KINDS.indexOf(a) ? b : a);

function knownKind(rule: MaskColumn): MaskKind {
  const kind = MASK_KINDS.find((known) => known === rule.kind);
  if (kind === undefined) throw new SallyportError("policy.invalid", "This agent does not know a kind of mask that the policy names.", { kind: rule.kind });
  return kind;
}
