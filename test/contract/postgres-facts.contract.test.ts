import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { after, before, describe, it } from "node:test";
import { type CommandFacts, riskClasses, type Hazard, type RiskClass } from "../../control-plane/src/domain/facts.ts";
import type { StatementAnalyser, StatementAnalysis } from "../../control-plane/src/gateway/postgres/facts/analysis.ts";
import { createStatementAnalyser } from "../../control-plane/src/gateway/postgres/facts/analyser.ts";

interface BypassCase {
  readonly name: string;
  readonly sql: string;
  readonly atLeast: RiskClass;
  readonly hazards?: readonly Hazard[];
  readonly written?: readonly string[];
  readonly verbs?: readonly string[];
}

interface BenignCase {
  readonly name: string;
  readonly sql: string;
}

const fixture = (file: string): unknown => JSON.parse(readFileSync(new URL(`../fixtures/postgres-statements/${file}.json`, import.meta.url), "utf8"));
const bypasses = (fixture("bypass") as { readonly cases: readonly BypassCase[] }).cases;
const benign = (fixture("benign") as { readonly cases: readonly BenignCase[] }).cases;

const rank = (riskClass: RiskClass): number => riskClasses.indexOf(riskClass);
const missing = <T>(expected: readonly T[] = [], found: readonly T[] = []): readonly T[] => expected.filter((one) => !found.includes(one));

let analyser: StatementAnalyser;
before(async () => {
  analyser = createStatementAnalyser();
  await analyser.ready();
});
after(() => analyser.close());

const analyse = async (sql: string): Promise<StatementAnalysis> => analyser.analyse(Buffer.from(sql));

describe("a statement that hides a write, a definition or a change of role is not taken for less", () => {
  for (const { name, sql, atLeast, hazards, written, verbs } of bypasses) {
    it(name, async () => {
      const { facts } = await analyse(sql);
      assert.ok(rank(facts.riskClass) >= rank(atLeast), `class ${facts.riskClass}, expected ${atLeast} or worse`);
      assert.deepEqual(missing(hazards, facts.hazards), [], "hazards that were not seen");
      assert.deepEqual(missing(written, facts.relationsWritten), [], "relations that were not seen as written");
      assert.deepEqual(missing(verbs, facts.verbs), [], "verbs that were not seen");
      assert.equal(facts.riskClass === "unclassified", facts.unclassifiedReason !== "", "exactly an unclassified statement says why");
    });
  }
});

describe("a harmless statement is read, without hazards", () => {
  for (const { name, sql } of benign) {
    it(name, async () => {
      const { facts } = await analyse(sql);
      assert.deepEqual({ riskClass: facts.riskClass, hazards: facts.hazards, why: facts.unclassifiedReason }, { riskClass: "read", hazards: [], why: "" });
      assert.deepEqual(facts.relationsWritten, []);
    });
  }
});

describe("a comment in front or behind changes nothing but the text", () => {
  for (const { name, sql } of bypasses.filter((_, index) => index % 10 === 0)) {
    it(name, async () => {
      const [plain, dressed] = await Promise.all([analyse(sql), analyse(`/* DROP */ ${sql}\n-- TRUNCATE`)]);
      assert.deepEqual(wherever(dressed.facts), wherever(plain.facts));
    });
  }
});

/** What does not parse fails at a place of the text, which a comment in front moves. */
const wherever = (facts: CommandFacts): CommandFacts => ({ ...facts, unclassifiedReason: facts.unclassifiedReason.replace(/character \d+/, "character n") });
