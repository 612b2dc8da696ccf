import { plainFacts } from "../domain/facts.ts";
import { argv, stdout } from "node:process";
import type { DecisionRequest } from "../domain/decision.ts";
import { createCedarCompiler } from "./compiler.ts";

/** Decisions a second with 50 policies, remembered and not, and what an `open` costs with 500 policies and 50,000 groups. JSON lines, no thresholds. */
const rounds = Number(argv[2] ?? 5);

const policies = (count: number): string =>
  Array.from({ length: count - 2 }, (_, index) => {
    const [effect, condition] =
      index % 3 === 0 ? ["forbid", `unless { context.approvals >= ${1 + (index % 2)} }`] : ["permit", `when { context.riskClass == "read" }`];
    return `@id("team-${index}") ${effect} (principal in Group::"team-${index}", action == Action::"run", resource) ${condition};`;
  })
    .concat(
      `@id("open") permit (principal in Group::"engineers", action == Action::"open", resource);`,
      `@id("read") @mask("*.ssn:full") permit (principal in Group::"engineers", action == Action::"run", resource) when { context.riskClass == "read" };`,
    )
    .join("\n");
const engineOf = (count: number) => createCedarCompiler().compile("v1", [{ name: "bench.cedar", text: policies(count) }]);

const requestOf = (fingerprint: string, groups: readonly string[] = ["engineers"]): DecisionRequest => ({
  principal: { id: "ana", kind: "human", groups },
  action: "run",
  resource: { name: "orders", protocol: "postgres", labels: { env: "prod" } },
  facts: {
    ...plainFacts,
    verbs: ["SELECT"],
    relationsRead: ["customers"],
    fingerprint,
  },
});

const median = (values: readonly number[]): number => values.toSorted((a, b) => a - b)[Math.floor(values.length / 2)] ?? 0;

function report(bench: string, unit: string, values: readonly number[]): void {
  const rounded = [median(values), Math.min(...values), Math.max(...values)].map((value) => Number(value.toPrecision(4)));
  stdout.write(`${JSON.stringify({ bench, unit, median: rounded[0], min: rounded[1], max: rounded[2] })}\n`);
}

function perSecond(count: number, decide: (index: number) => void): number {
  const start = process.hrtime.bigint();
  for (let index = 0; index < count; index++) decide(index);
  return count / (Number(process.hrtime.bigint() - start) / 1e9);
}

const engine = engineOf(50);
const same = requestOf("same");
let fresh = 0;
const latencies: number[] = [];
const bench = (name: string, count: number, decide: (index: number) => void): void => {
  perSecond(count, decide); // warm up; not counted
  report(
    name,
    "decisions/s",
    Array.from({ length: rounds }, () => perSecond(count, decide)),
  );
};
bench("policy.cached", 200_000, () => engine.decide(same));
bench("policy.cached, equal facts anew", 50_000, () => engine.decide(requestOf("same")));
bench("policy.uncached", 2_000, () => {
  const start = process.hrtime.bigint();
  engine.decide(requestOf(`fresh ${fresh++}`));
  latencies.push(Number(process.hrtime.bigint() - start) / 1e6);
});
latencies.toSorted((a, b) => a - b);
report("policy.uncached p99", "ms", [latencies[Math.floor(latencies.length * 0.99)] ?? 0]);

const large = engineOf(500);
const groups = ["engineers", ...Array.from({ length: 49_999 }, (_, index) => `g${index}`)];
const { facts: _, ...open } = requestOf("", groups);
const opening = Array.from({ length: 40 }, (_unused, index) => {
  const request: DecisionRequest = { ...open, action: "open", principal: { ...open.principal, id: `user ${index}` } };
  const start = process.hrtime.bigint();
  large.decide(request);
  return Number(process.hrtime.bigint() - start) / 1e6;
});
report("policy.open, 500 policies, 50,000 groups", "ms", opening.slice(5));
