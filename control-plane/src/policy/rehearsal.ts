import { setImmediate as nextTurn } from "node:timers/promises";
import type { PolicyProblem } from "../application/policy-ports.ts";
import {
  type Circumstances,
  controlPlane,
  type Decision,
  type DecisionRequest,
  type MaskColumn,
  type PolicyEngine,
  type ResourceRef,
} from "../domain/decision.ts";
import { type CommandFacts, plainFacts } from "../domain/facts.ts";
import type { PolicyFile } from "../domain/policy/policy.events.ts";
import { cutShort } from "./check.ts";
import { type Expected, type PolicyTest, readTestFile, type TestFile, TEST_FILE_SUFFIX } from "./test-file.ts";

/** What a text is, by the parser that judges the commands of sessions. */
export type FactsOf = (sql: string) => Promise<CommandFacts>;

/** Decisions that one set's tests ask for: some seconds, between which other work runs. */
export const MAX_POLICY_TEST_DECISIONS = 10_000;
/** After so many nobody reads on, and other work of the process gets its turn. */
const DECISIONS_A_TURN = 20;
/** Of a text that a test runs, in characters: enough to know it by, in the message of each decision that came out otherwise. */
const SHOWN_TEXT_CHARACTERS = 200;

export interface Rehearsed {
  readonly problems: readonly PolicyProblem[];
  /** Decisions that came out as expected. */
  readonly passed: number;
}

/** Runs the tests beside the policies against the engine of those policies. A test that fails is an error at its line. */
export async function rehearse(engine: PolicyEngine, files: readonly PolicyFile[], factsOf: FactsOf): Promise<Rehearsed> {
  const problems: PolicyProblem[] = [];
  let passed = 0;
  let decided = 0;
  let asked = 0;
  for (const { name: file, text } of files.filter(({ name }) => name.endsWith(TEST_FILE_SUFFIX))) {
    const error = (line: number, message: string): void => void problems.push({ severity: "error", file, line, message });
    const read = readTestFile(text);
    if (read.kind === "problems") {
      for (const { line, message } of read.problems) error(line, message);
      continue;
    }
    for (const { test, line } of read.file.tests) {
      const why = incomplete(test, read.file);
      if (why !== undefined) {
        error(line, `Test "${test.name}": ${why}`);
        continue;
      }
      asked += test.as.length * Math.max(1, test.on.length) * (test.sql?.length ?? 1);
      // Before anything is made or parsed for them: lists are short to write, and their product is not.
      if (asked > MAX_POLICY_TEST_DECISIONS) {
        error(line, `The tests ask for more than ${MAX_POLICY_TEST_DECISIONS} decisions.`);
        return { problems: cutShort(problems), passed };
      }
      for (const { request, label } of await requestsOf(test, read.file, factsOf)) {
        if (++decided % DECISIONS_A_TURN === 0) await nextTurn();
        const decision = engine.decide(request);
        const differences = compare(test.expect, decision);
        if (differences.length === 0) passed++;
        else error(line, `Test "${test.name}"${label}: ${differences.join("; ")}. It was decided: ${decision.reason}`);
      }
    }
  }
  return { problems: cutShort(problems), passed };
}

/** What makes a test mean nothing, or not what its author thinks. */
function incomplete({ action, as, on, sql, facts, context }: PolicyTest, { principals, resources }: TestFile): string | undefined {
  const stranger = as.find((name) => !Object.hasOwn(principals, name));
  if (stranger !== undefined) return `"principals" has no ${JSON.stringify(stranger)}.`;
  const unknown = on.find((name) => !Object.hasOwn(resources, name));
  if (unknown !== undefined) return `"resources" has no ${JSON.stringify(unknown)}.`;
  if (sql !== undefined && facts !== undefined) return `It has "sql" and "facts"; the facts of a text are what its parser says.`;
  const given = sql !== undefined || facts !== undefined;
  if (action === "run" && !given) return `A test of "run" has "sql" or "facts".`;
  const isOwn = action === "replay" || action === "administer";
  if ((action === "open" || action === "request" || isOwn) && given) return `"${action}" has neither "sql" nor "facts".`;
  if (on.length === 0 && !isOwn) return `A test of "${action}" says "on" what.`;
  if (isOwn !== (context.area !== undefined)) return isOwn ? `A test of "${action}" has an "area" in its "context".` : `"${action}" has no "area".`;
  if (context.own !== undefined && action !== "replay") return `"${action}" has no "own".`;
  return undefined;
}

interface Asked {
  readonly request: DecisionRequest;
  /** Tells it from others of the same test; empty when it is the only one. */
  readonly label: string;
}

async function requestsOf({ as, on, action, sql, facts, context }: PolicyTest, { principals, resources }: TestFile, factsOf: FactsOf): Promise<Asked[]> {
  const commands: { readonly facts?: CommandFacts; readonly shown: string }[] = [];
  // What comes from JSON is there or is not; it is never undefined.
  if (facts !== undefined) commands.push({ facts: { ...plainFacts, ...(facts as Partial<CommandFacts>) }, shown: "" });
  for (const text of sql ?? []) commands.push({ facts: await factsOf(text), shown: JSON.stringify(cut(text)) });
  if (commands.length === 0) commands.push({ shown: "" });

  const { granted, area, own, hour, weekday, clientAddress, reason = "", ticket = "" } = context;
  const circumstances: Circumstances = {
    // An hour alone is of any day, and a day alone is all day.
    ...(hour === undefined && weekday === undefined ? {} : { time: { hour: hour ?? 12, weekday: weekday ?? "wednesday" } }),
    ...(clientAddress === undefined ? {} : { clientAddress }),
    purpose: { reason, ticket },
  };
  const places = on.length === 0 ? [controlPlane] : on.map((name): ResourceRef => ({ name, protocol: "postgres", labels: {}, ...resources[name] }));
  const several = as.length * places.length * commands.length > 1;
  return as.flatMap((person) =>
    places.flatMap((resource) =>
      commands.map(({ facts: found, shown }): Asked => {
        const { kind = "human", groups = [] } = principals[person] ?? {};
        return {
          request: {
            principal: { id: person, kind, groups },
            action,
            resource,
            ...(granted === undefined ? {} : { granted }),
            ...(area === undefined ? {} : { area }),
            ...(own === undefined ? {} : { own }),
            ...(found === undefined ? {} : { facts: found }),
            circumstances,
          },
          label: several ? ` (${[person, resource.name, shown].filter((part) => part !== "").join(", ")})` : "",
        };
      }),
    ),
  );
}

const cut = (text: string): string => (text.length <= SHOWN_TEXT_CHARACTERS ? text : `${text.slice(0, SHOWN_TEXT_CHARACTERS - 1).toWellFormed()}…`);

function compare(expect: Expected, { effect, rules, quorum, lacks = [], notify = [], obligations }: Decision): string[] {
  const differences: string[] = [];
  const differ = (what: string, wanted: unknown, got: unknown): void => {
    if (wanted !== undefined && JSON.stringify(wanted) !== JSON.stringify(got)) differences.push(`expected ${what} ${shown(wanted)}, got ${shown(got)}`);
  };
  differ("decision", expect.decision, effect);
  differ("rules", expect.rules?.toSorted(), rules.toSorted());
  differ("quorum", expect.quorum, quorum);
  differ("lacks", expect.lacks?.toSorted(), lacks.toSorted());
  differ("notify", expect.notify?.toSorted(), notify.toSorted());
  const wanted = expect.obligations ?? {};
  differ("rowCap", wanted.rowCap, obligations.rowCap);
  differ("byteCap", wanted.byteCap, obligations.byteCap ?? 0);
  differ("timeoutMillis", wanted.timeoutMillis, obligations.timeoutMillis ?? 0);
  differ("record", wanted.record?.toSorted(), obligations.record ?? []);
  differ("readOnly", wanted.readOnly, obligations.readOnly ?? false);
  differ("detectors", wanted.detectors?.toSorted(), obligations.detectors.toSorted());
  const masks = new Set(obligations.maskColumns.map(written));
  const missing = (wanted.masks ?? []).filter((mask) => !masks.has(mask));
  if (missing.length > 0) differences.push(`expected masks ${shown(missing)}, which are not there`);
  return differences;
}

const written = ({ table, column, kind }: MaskColumn): string => `${table === "" ? "*" : table}.${column}:${kind}`;

const shown = (value: unknown): string => (Array.isArray(value) ? (value.length === 0 ? "none" : value.join(", ")) : String(value));
