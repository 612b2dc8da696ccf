import { type Decision, noObligations, type Obligations } from "../domain/decision.ts";
import { columnName, type CommandFacts, nameParts, plainFacts } from "../domain/facts.ts";

/** Of a command that does no more than read, whole, every table that this one reads or changes. */
export function ofReading({ relationsRead, relationsWritten }: CommandFacts): CommandFacts {
  const relations = [...new Set([...relationsRead, ...relationsWritten])].toSorted();
  const columnsRead = relations.map((relation) => columnName(nameParts(relation).at(-1) ?? "", "*"));
  return { ...plainFacts, verbs: ["SELECT"], relationsRead: relations, columnsRead };
}

const everything: Obligations = { ...noObligations, maskColumns: [{ table: "", column: "*", kind: "full" }] };

/** What a preview owes by a decision on reading: it shows no value that may not be read, or not before somebody agrees. */
export const maskedUnlessReadable = ({ effect, obligations }: Decision): Obligations => (effect === "allow" ? obligations : everything);
