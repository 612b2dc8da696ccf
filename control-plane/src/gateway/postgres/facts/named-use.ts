import type { Node } from "@pgsql/types";
import type { CommandFacts } from "../../../domain/facts.ts";
import type { NamedUse } from "./analysis.ts";
import { trace } from "./lineage/outputs.ts";
import type { TraitsOf } from "./lineage/tracer.ts";

/** CURSOR_OPT_HOLD. */
const HOLD = 0x20;

/** What a text makes or uses by name, where it is a single statement that does nothing else. `assuming`: its facts, where those of what it executes are known. */
export function namedUse(statement: Node | undefined, traitsOf: TraitsOf, assuming: () => CommandFacts): NamedUse | undefined {
  if (statement === undefined) return undefined;
  if ("PrepareStmt" in statement) {
    const { name = "", query } = statement.PrepareStmt;
    return { kind: "prepare", name, outputs: trace([query], traitsOf).outputs };
  }
  if ("ExecuteStmt" in statement) return { kind: "execute", name: statement.ExecuteStmt.name ?? "", facts: assuming() };
  if ("DeclareCursorStmt" in statement) {
    const { portalname = "", query, options = 0 } = statement.DeclareCursorStmt;
    return { kind: "declare", name: portalname, held: (options & HOLD) !== 0, outputs: trace([query], traitsOf).outputs };
  }
  return "FetchStmt" in statement ? { kind: "fetch", name: statement.FetchStmt.portalname ?? "" } : undefined;
}
