import { hash } from "node:crypto";
import type { Finding } from "./lookup.ts";
import { type RuleColumn, ruleColumns } from "./rule-columns.ts";

/** Former names, generated columns' sources and view columns that are remembered of one column or table; of what changes more often nothing is known. */
export const MAX_FORMER = 32;

interface RelationColumn {
  /** Lower case, former ones included. */
  readonly names: Set<string>;
  readonly isGenerated: boolean;
  /** Columns of the same table that it is, or was, generated from. */
  readonly generatedFrom: Set<number>;
}

/** What the catalogue said about one relation. */
export class Relation {
  readonly oid: number;
  readonly name: string;
  readonly isView: boolean;
  /** A materialized view: its rows were made by the views that it is made of as these once were. */
  readonly isStored: boolean;
  /** Its own name, former ones, those that tables had which it inherited from, and those of descendants that policy names; lower case. */
  readonly names = new Set<string>();
  readonly parents: number[] = [];
  readonly columns = new Map<number, RelationColumn>();
  /** Functions of the database's own that take its row, in lower case. */
  readonly rowFunctions = new Set<string>();
  /** What its rules put into its columns; undefined when a rule could not be read. */
  rules: Map<number, RuleColumn[]> | undefined = new Map();
  /** What its rules have put into them before. */
  formerRules: ReadonlyMap<number, readonly RuleColumn[]> = new Map();
  /** It changed so often that not all of what it was is remembered. */
  forgotten = false;
  /** Of the text of each rule; they come in any order. */
  readonly #digests = new Set<string>();

  constructor(oid: number, name: string, kind: string) {
    this.oid = oid;
    this.name = name;
    this.isStored = kind === "m";
    this.isView = kind === "v" || this.isStored;
    this.names.add(name.toLowerCase());
  }

  add(finding: Finding): void {
    switch (finding.kind) {
      case "column":
        this.columns.set(finding.attribute, {
          names: new Set([finding.name.toLowerCase()]),
          isGenerated: finding.generated,
          generatedFrom: new Set(),
        });
        break;
      case "parent":
        this.parents.push(finding.parent);
        break;
      case "descendant":
        this.names.add(finding.name.toLowerCase());
        break;
      case "generated":
        this.columns.get(finding.attribute)?.generatedFrom.add(finding.from);
        break;
      case "rule":
        this.#addRule(finding.event, finding.action);
        break;
      case "row_function":
        this.rowFunctions.add(finding.name.toLowerCase());
        break;
      case "relation":
      case "pure_function":
      case "listed":
    }
  }

  /**
   * What becomes of a table or column does not lift a mask that policy puts on what it was: a new name, another parent or none, values that
   * are no longer generated, another definition while rows of the old one are stored. `tables`: all names that its rows counted under.
   */
  remember(former: Relation, tables: () => ReadonlySet<string>): void {
    this.forgotten ||= former.forgotten;
    this.rememberNames(former.parents.every((parent) => this.parents.includes(parent)) ? former.names : tables());
    for (const [attribute, was] of former.columns) {
      const column = this.columns.get(attribute);
      if (column === undefined) continue;
      this.#keep(column.names, was.names);
      this.#keep(column.generatedFrom, was.generatedFrom);
    }
    this.#rememberRules(former);
  }

  rememberNames(tables: ReadonlySet<string>): void {
    this.#keep(this.names, tables);
  }

  get ruled(): boolean {
    return this.isView || this.rules === undefined || this.rules.size > 0;
  }

  #addRule(event: string, action: string): void {
    this.#digests.add(hash("sha256", event + action));
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

  #keep<T>(present: Set<T>, former: ReadonlySet<T>): void {
    const known = present.size;
    for (const each of former) present.add(each);
    this.forgotten ||= present.size - known > MAX_FORMER;
  }

  #rememberRules(former: Relation): void {
    this.formerRules = former.formerRules;
    if (former.#digests.size === this.#digests.size && [...former.#digests].every((digest) => this.#digests.has(digest))) return;
    this.forgotten ||= former.rules === undefined;
    const rules = new Map(former.formerRules);
    for (const [attribute, columns] of former.rules ?? []) {
      const all = [...(rules.get(attribute) ?? []), ...columns];
      this.forgotten ||= all.length > MAX_FORMER;
      rules.set(attribute, all.slice(0, MAX_FORMER));
    }
    this.formerRules = rules;
  }
}
