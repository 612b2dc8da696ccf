import { z } from "zod";
import { areas, weekdays } from "../domain/decision.ts";
import { hazards, riskClasses, transactionStates } from "../domain/facts.ts";
import { policyActions } from "./schema.ts";

/** The names of files with tests beside the policies. */
export const TEST_FILE_SUFFIX = ".test.json";

const names = z.union([z.string(), z.array(z.string()).min(1)]).transform((one) => (typeof one === "string" ? [one] : one));
const list = z.array(z.string()).readonly();

/** Facts that matter to a test; the others are those of a read that touches nothing. */
const facts = z
  .strictObject({
    verbs: list,
    riskClass: z.enum(riskClasses),
    relationsRead: list,
    relationsWritten: list,
    functions: list,
    functionClasses: z.array(z.enum(riskClasses)).readonly(),
    hazards: z.array(z.enum(hazards)).readonly(),
    statementCount: z.int().min(0),
    fingerprint: z.string(),
    columnsRead: list,
    columnsFiltered: list,
    columnsMatched: list,
    columnsWritten: list,
    columnsCopied: list,
    rowLimit: z.int().min(0),
    settings: list,
    transaction: z.enum(transactionStates),
  })
  .partial();

const expected = z
  .strictObject({
    decision: z.enum(["allow", "deny", "needs_approval"]),
    /** Exactly these, in any order. */
    rules: list,
    quorum: z.int().min(0),
    lacks: z.array(z.enum(["reason", "ticket"])).readonly(),
    notify: list,
    obligations: z
      .strictObject({
        /** As in @mask; others may be there beside them. */
        masks: list,
        detectors: list,
        /** 0: none. */
        rowCap: z.int().min(0),
        byteCap: z.int().min(0),
        timeoutMillis: z.int().min(0),
        readOnly: z.boolean(),
        record: z.array(z.enum(["input", "output"])).readonly(),
      })
      .partial(),
  })
  .partial()
  .required({ decision: true });

const testCase = z.strictObject({
  name: z.string().min(1).max(200),
  /** Of `principals`; of several, the test holds for each. */
  as: names,
  action: z.enum(policyActions),
  /** Of `resources`; nothing is the control plane itself, for `replay` and `administer`. */
  on: names.default([]),
  /** Each of them. */
  sql: names.optional(),
  facts: facts.optional(),
  context: z
    .strictObject({
      granted: z.boolean(),
      area: z.enum(areas),
      own: z.boolean(),
      hour: z.int().min(0).max(23),
      weekday: z.enum(weekdays),
      clientAddress: z.string(),
      reason: z.string(),
      ticket: z.string(),
    })
    .partial()
    .default({}),
  expect: z.union([z.enum(["allow", "deny", "needs_approval"]).transform((decision) => ({ decision })), expected]),
});

export type PolicyTest = z.infer<typeof testCase>;
export type Expected = z.infer<typeof expected>;

const testFile = z.strictObject({
  principals: z.record(z.string(), z.strictObject({ kind: z.enum(["human", "machine"]).default("human"), groups: z.array(z.string()).default([]) })),
  resources: z.record(z.string(), z.strictObject({ protocol: z.string().default("postgres"), labels: z.record(z.string(), z.string()).default({}) })),
  tests: z.array(testCase).min(1),
});

export interface TestFile extends Omit<z.infer<typeof testFile>, "tests"> {
  readonly tests: readonly { readonly test: PolicyTest; readonly line: number }[];
}

export type ReadTestFile =
  | { readonly kind: "read"; readonly file: TestFile }
  | { readonly kind: "problems"; readonly problems: readonly { readonly line: number; readonly message: string }[] };

export function readTestFile(text: string): ReadTestFile {
  const parsed = parseJson(text);
  if (parsed instanceof Error) return problems([{ line: 1, message: `This is not JSON: ${parsed.message}.` }]);
  const lines = testLines(text);
  const read = testFile.safeParse(parsed);
  if (read.success) return { kind: "read", file: { ...read.data, tests: read.data.tests.map((test, index) => ({ test, line: lines[index] ?? 1 })) } };
  return problems(
    read.error.issues.map(({ path, message }) => {
      const index = path[0] === "tests" && typeof path[1] === "number" ? path[1] : undefined;
      return { line: index === undefined ? 1 : (lines[index] ?? 1), message: `${path.join(".")}: ${message}` };
    }),
  );
}

const problems = (found: readonly { readonly line: number; readonly message: string }[]): ReadTestFile => ({ kind: "problems", problems: found });

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch (error) {
    return error instanceof Error ? error : new Error(String(error));
  }
}

const token = /"(?:\\.|[^"\\])*"|[{}[\]]|\n/g;

/** The line of each member of `tests`, in a text that is JSON: an object inside a list inside the object of the file. */
function testLines(text: string): readonly number[] {
  const lines: number[] = [];
  const open: string[] = [];
  let line = 1;
  let key = "";
  for (const [word] of text.matchAll(token)) {
    if (word === "\n") line++;
    else if (word === "{" || word === "[") {
      if (word === "{" && open.join("") === "{[" && key === '"tests"') lines.push(line);
      open.push(word);
    } else if (word === "}" || word === "]") open.pop();
    else if (open.length === 1) key = word;
  }
  return lines;
}
