import type { CommandFacts, Hazard } from "../../../domain/facts.ts";

const hazardsOfUnseenCode: ReadonlySet<string> = new Set<Hazard>(["dynamic_code", "opaque_function", "unparsed"]);
/** Their bodies are literals. */
const storesCode = /^(?:DO|CREATE (?:FUNCTION|PROCEDURE))$/;

/** It may run what stands in a literal or a parameter, now or later. */
export const runsUnseenCode = ({ riskClass, hazards, verbs }: CommandFacts): boolean =>
  riskClass === "unclassified" || hazards.some((hazard) => hazardsOfUnseenCode.has(hazard)) || verbs.some((verb) => storesCode.test(verb));
