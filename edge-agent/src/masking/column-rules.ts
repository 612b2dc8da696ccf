import { SallyportError } from "@sallyport/proto/errors";
import type { MaskColumn } from "@sallyport/proto/gen/sallyport/tunnel/v1/tunnel";
import { MASK_KINDS, type MaskKind } from "./mask-value.ts";

export interface ColumnOrigin {
  readonly table: string;
  readonly column: string;
}

export interface ColumnIdentity {
  /** The name that the result shows. */
  readonly label: string;
  /** Absent when the column is computed, or its origin could not be found out. */
  readonly origin?: ColumnOrigin | undefined;
}

interface Rule {
  readonly column: string;
  readonly table: string;
  readonly kind: MaskKind;
}

/** Which mask a result column falls under. The strictest rule that matches wins, so that their order never matters. */
export class ColumnRules {
  readonly #rules: readonly Rule[];

  /** Fails with `policy.invalid` on a kind that it does not know. */
  constructor(rules: readonly MaskColumn[]) {
    this.#rules = rules
      .map((rule) => ({ column: rule.column.toLowerCase(), table: rule.table.toLowerCase(), kind: knownKind(rule) }))
      .toSorted((a, b) => MASK_KINDS.indexOf(a.kind) - MASK_KINDS.indexOf(b.kind));
  }

  get empty(): boolean {
    return this.#rules.length === 0;
  }

  kindOf({ label, origin }: ColumnIdentity): MaskKind | undefined {
    if (this.#rules.length === 0) return undefined;
    const shown = label.toLowerCase();
    const table = origin?.table.toLowerCase();
    const column = origin?.column.toLowerCase();
    for (const rule of this.#rules) {
      const fromTable = rule.table === "" || table === undefined || table === rule.table;
      if (fromTable && (rule.column === "*" || rule.column === shown || rule.column === column)) return rule.kind;
    }
    return undefined;
  }
}

function knownKind(rule: MaskColumn): MaskKind {
  const kind = MASK_KINDS.find((known) => known === rule.kind);
  if (kind === undefined) throw new SallyportError("policy.invalid", "This agent does not know a kind of mask that the policy names.", { kind: rule.kind });
  return kind;
}
