import type { Finding } from "./lookup.ts";
import { type RuleColumn, ruleColumns } from "./rule-columns.ts";

/** Names that one column or table is remembered under beside its present one: somebody who renames more often than that hides from people, too. */
export const MAX_FORMER_NAMES = 32;

interface RelationColumn {
  /** Lower case, former ones included. */
  readonly names: Set<string>;
  /** Columns of the same table that it is generated from. */
  readonly generatedFrom: number[];
}

/** What the catalogue said about one relation. */
export class Relation {
  readonly oid: number;
  readonly name: string;
  readonly isView: boolean;
  /** Its own name, former ones, and those of descendants that policy names; lower case. */
  readonly names = new Set<string>();
  readonly parents: number[] = [];
  readonly columns = new Map<number, RelationColumn>();
  /** What its rules put into its columns; undefined when a rule could not be read. */
  rules: Map<number, RuleColumn[]> | undefined = new Map();

  constructor(oid: number, name: string, kind: string) {
    this.oid = oid;
    this.name = name;
    this.isView = kind === "v" || kind === "m";
    this.names.add(name.toLowerCase());
  }

  add(finding: Finding): void {
    switch (finding.kind) {
      case "column":
        this.columns.set(finding.attribute, { names: new Set([finding.name.toLowerCase()]), generatedFrom: [] });
        break;
      case "parent":
        this.parents.push(finding.parent);
        break;
      case "descendant":
        this.names.add(finding.name.toLowerCase());
        break;
      case "generated":
        this.columns.get(finding.attribute)?.generatedFrom.push(finding.from);
        break;
      case "rule":
        this.#addRule(finding.event, finding.action);
        break;
      case "relation":
      case "pure_function":
      case "user_schema":
    }
  }

  /** A new name does not lift a mask that policy puts on the old one. */
  remember(former: Relation | undefined): void {
    if (former === undefined) return;
    keep(this.names, former.names);
    for (const [attribute, { names }] of former.columns) keep(this.columns.get(attribute)?.names, names);
  }

  get ruled(): boolean {
    return this.isView || this.rules === undefined || this.rules.size > 0;
  }

  #addRule(event: string, action: string): void {
    try {
      for (const [attribute, column] of ruleColumns(event, action)) {
        const columns = this.rules?.get(attribute);
        if (columns === undefined) this.rules?.set(attribute, [column]);
        else columns.push(column);
      }
    } catch {
      // An unreadable rule may show anything (I3).
      this.rules = undefined;
    }
  }
}

function keep(names: Set<string> | undefined, former: ReadonlySet<string>): void {
  for (const name of former) if (names !== undefined && names.size <= MAX_FORMER_NAMES) names.add(name);
}
