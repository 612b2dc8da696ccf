import type { PolicyJson } from "@cedar-policy/cedar-wasm/nodejs";

/** What a rule says, apart from how it is written: parts that are equal say the same. */
export interface RuleForm {
  readonly principal: string;
  readonly action: string;
  readonly resource: string;
  /** All must hold; each once, in an order of their own. */
  readonly conditions: readonly string[];
  /** But for @id and @reason, which decide nothing. */
  readonly annotations: Readonly<Record<string, string>>;
}

export const ANYTHING = JSON.stringify({ op: "All" });

export function formOf({ principal, action, resource, conditions, annotations = {} }: PolicyJson): RuleForm {
  const bodies = conditions.flatMap(({ kind, body }) => (kind === "when" ? conjuncts(body) : [{ "!": { arg: body } }]));
  const { id: _id, reason: _reason, ...others } = annotations;
  return {
    principal: JSON.stringify(principal),
    action: JSON.stringify(action),
    resource: JSON.stringify(resource),
    conditions: [...new Set(bodies.map((body) => JSON.stringify(body)))].toSorted(),
    annotations: Object.fromEntries(
      // One without a value comes as null, whatever the type says.
      Object.entries(others as Readonly<Record<string, string | null>>)
        .map(([name, value]) => [name, (value ?? "").replaceAll(/\s+/g, " ").trim()] as const)
        .toSorted(([a], [b]) => (a < b ? -1 : 1)),
    ),
  };
}

/** The parts of `a && b && …`. Iterative: the depth is the author's. */
function conjuncts(body: unknown): unknown[] {
  const parts: unknown[] = [];
  const open = [body];
  for (let next = open.pop(); next !== undefined; next = open.pop()) {
    const both = isRecord(next) ? next["&&"] : undefined;
    if (isRecord(both)) open.push(both["left"], both["right"]);
    else parts.push(next);
  }
  return parts;
}

const isRecord = (value: unknown): value is Readonly<Record<string, unknown>> => typeof value === "object" && value !== null;
