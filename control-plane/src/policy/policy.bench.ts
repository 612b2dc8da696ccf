import { plainFacts } from "../domain/facts.ts";
import { argv, stdout } from "node:process";
import type { DecisionRequest } from "../domain/decision.ts";
import { createCedarCompiler } from "./compiler.ts";

/**
 * Decisions a second with 50 policies, remembered and not, and what an `open` costs with 500 policies and 50,000 groups. JSON lines, no
 * thresholds. All but the p99 is processor time, which does not depend on what else the machine does.
 */
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
  const start = process.cpuUsage();
  for (let index = 0; index < count; index++) decide(index);
  const { user, system } = process.cpuUsage(start);
  return count / ((user + system) / 1e6);
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
const timed = createCedarCompiler().compile("v1", [
  {
    name: "bench.cedar",
    text: `${policies(50)} @id("day") permit (principal in Group::"engineers", action == Action::"run", resource) when { context.hour < 18 };`,
  },
]);
const noon = { time: new Date("2026-11-23T12:00:00.000Z"), purpose: { reason: "x", ticket: "" } };
bench("policy.cached, with the time", 200_000, () => timed.decide({ ...same, circumstances: noon }));
bench("policy.cached, equal facts anew", 50_000, () => engine.decide(requestOf("same")));
bench("policy.uncached, but for what rules look at", 20_000, () => engine.decide(requestOf(`fresh ${fresh++}`)));
/** A rule that is not only compared with words, so that each fingerprint is another request. */
const looking = createCedarCompiler().compile("v1", [
  { name: "bench.cedar", text: `${policies(49)} @id("odd") forbid (principal, action == Action::"run", resource) when { context.fingerprint like "odd*" };` },
]);
bench("policy.uncached", 2_000, () => {
  const start = process.hrtime.bigint();
  looking.decide(requestOf(`fresh ${fresh++}`));
  latencies.push(Number(process.hrtime.bigint() - start) / 1e6);
});
const byTime = latencies.toSorted((a, b) => a - b);
report("policy.uncached p99", "ms", [byTime[Math.floor(byTime.length * 0.99)] ?? 0]);

const large = engineOf(500);
/** Of 50,000 groups somebody is in 20; one of them is in all. */
const allGroups = Array.from({ length: 49_999 }, (_, index) => `g${index}`);
const identities = Array.from({ length: 10_000 }, (_, index) => ({
  id: `user ${index}`,
  kind: "human" as const,
  groups: index === 0 ? ["engineers", ...allGroups] : ["engineers", ...allGroups.slice(index, index + 20)],
}));
const { facts: _, ...open } = requestOf("");
const opening = identities.map((principal) => {
  const request: DecisionRequest = { ...open, action: "open", principal };
  const start = process.hrtime.bigint();
  large.decide(request);
  return Number(process.hrtime.bigint() - start) / 1e6;
});
report("policy.open of somebody in 50,000 groups, 500 policies", "ms", opening.slice(0, 1));
const sorted = opening.toSorted((x, y) => x - y);
report("policy.open p99 over 10,000 identities, 500 policies", "ms", [sorted[Math.floor(sorted.length * 0.99)] ?? 0]);
