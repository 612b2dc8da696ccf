import { SallyportError } from "@sallyport/proto/errors";
import type { PreviewKind } from "../../../domain/approval/approval.events.ts";
import type { CommandFacts, Hazard } from "../../../domain/facts.ts";
import type { RecordedCommand } from "../../../domain/session/session.events.ts";

const QUERIES: ReadonlySet<string> = new Set(["SELECT", "VALUES", "TABLE"]);
const CHANGES: ReadonlySet<string> = new Set(["INSERT", "UPDATE", "DELETE", "MERGE"]);
/** What looking at a statement does not set off. */
const HARMLESS: ReadonlySet<Hazard> = new Set(["delete_without_where", "update_without_where"]);

/**
 * What can be looked at: one query or change, nothing of which the parser could not tell, and no function or operator that may do more
 * than compute. The planner calls some functions, a dry run all of them. What views, triggers and defaults call is the agent's to find.
 */
export function requirePreviewable({ via, facts }: RecordedCommand, kind: PreviewKind): void {
  if (facts.hazards.includes("unparsed"))
    throw new SallyportError("feature.unsupported", `There is no preview of what the gateway cannot read: it ${facts.unclassifiedReason}.`);
  if (facts.statementCount > 1) throw new SallyportError("preview.unsafe", "It holds several statements; only a single one can be looked at.");
  if (via === "function_call" || facts.verbs.length === 0 || !facts.verbs.every((verb) => QUERIES.has(verb) || CHANGES.has(verb))) {
    throw new SallyportError("feature.unsupported", "There is a preview of SELECT, INSERT, UPDATE, DELETE and MERGE only.", { verbs: facts.verbs.join(", ") });
  }
  const unsafe = whyUnsafe(facts);
  if (unsafe !== undefined) throw new SallyportError("preview.unsafe", unsafe);
  if (kind === "plan") return;
  const changing = facts.verbs.filter((verb) => CHANGES.has(verb));
  if (changing.length !== 1 || facts.relationsWritten.length !== 1) {
    throw new SallyportError("feature.unsupported", "There is a dry run of a statement that changes one table, in one way.", { verbs: facts.verbs.join(", ") });
  }
}

/** Whether it changes rows, as far as its verbs say. */
export const changes = ({ verbs }: CommandFacts): boolean => verbs.some((verb) => CHANGES.has(verb));

function whyUnsafe({ riskClass, unclassifiedReason, functions, hazards }: CommandFacts): string | undefined {
  if (functions.length > 0) return `It calls ${functions.slice(0, 5).join(", ")}, which may do more than compute.`;
  const hazard = hazards.find((each) => !HARMLESS.has(each));
  if (hazard !== undefined) return `It is dangerous in a way that a preview would set off: ${hazard}.`;
  return riskClass === "unclassified" ? `Nobody can tell what it does: it ${unclassifiedReason}.` : undefined;
}
