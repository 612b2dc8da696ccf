import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { SallyportError } from "@sallyport/proto/errors";
import { MAX_POLICIES, MAX_POLICY_BYTES, MAX_POLICY_FILES, MAX_POLICY_SET_BYTES, MAX_PROBLEMS } from "./check.ts";
import { createCedarCompiler } from "./compiler.ts";

const compiler = createCedarCompiler();
const check = (...texts: string[]) => compiler.check(texts.map((text, index) => ({ name: `f${index}.cedar`, text })));
const errors = (...texts: string[]) =>
  check(...texts)
    .filter(({ severity }) => severity === "error")
    .map(({ message }) => message);
const run = (conditions: string, annotations = "") => `@id("r") ${annotations} permit (principal, action == Action::"run", resource) when { ${conditions} };`;

function assertOneError(text: string, expected: RegExp): void {
  const found = errors(text);
  assert.equal(found.length, 1, found.join("\n"));
  assert.match(found[0] ?? "", expected);
}

describe("checking policy files", () => {
  it("finds nothing wrong with a policy that uses every fact, attribute and annotation", () => {
    const everything = `
      principal in Group::"g" && principal.kind == "human" && resource.name like "orders*" && resource.protocol == "postgres" &&
      resource.labels.contains("env=prod") && context.verbs.contains("SELECT") && context.riskClass != "read" &&
      context.relationsRead.contains("a") && context.relationsWritten.isEmpty() && context.functions.containsAll(["f"]) &&
      context.hazards.containsAny(["ddl", "drop"]) && context.statementCount > 1 && !context.unparsed &&
      context.fingerprint == "0123456789abcdef" && context.approvals >= 5`;
    const terms = `@approvals("1 from a; 2 from b, c; 1") @denyBy("d") @approverHours("mon-fri 08-18 Europe/Berlin") @approvalTimeout("15m") @escalate("10m to e")`;
    assert.deepEqual(
      check(run(everything, `@reason("why") @mask("*.a:null, t.b:hash, t.c:token, *.d:round") @computed("show") @detect("email") @rowCap("1") ${terms}`)),
      [],
    );
  });

  it("names file and line of a problem, beside letters of several bytes", () => {
    const text = `// é\n${run("true")}\n@id("s")\nforbid (principal, action == Action::"run", resource)\nwhen { "é" == "è" ||\n  context.riskclass == "read" };`;
    const [problem] = check(run("true").replace('"r"', '"q"'), text);
    assert.deepEqual({ ...problem, message: "" }, { severity: "error", file: "f1.cedar", line: 6, message: "" });
    assert.match(problem?.message ?? "", /`riskclass` in context for Action::"run" not found \(did you mean `riskClass`\?\)/);
  });

  for (const [what, text, expected] of [
    ["text that does not parse", `@id("a") permit (principal, action, resource) when { 1 & 2 };`, /invalid token/],
    ["a policy without its semicolon", `@id("a") forbid (principal, action == Action::"run", resource)`, /unexpected end/],
    ["an unknown type of entity", `@id("a") forbid (principal is User, action == Action::"run", resource);`, /User/],
    ["an unknown action", `@id("a") forbid (principal, action == Action::"rum", resource);`, /rum/],
    ["a comparison of unlike types", run("context.statementCount == context.riskClass"), /types/],
    [
      "a fact of a command where there is no command",
      `@id("a") forbid (principal, action == Action::"open", resource) when { context.riskClass == "read" };`,
      /riskClass/,
    ],
    ["a template", `@id("a") forbid (principal == ?principal, action == Action::"run", resource);`, /template/],
    ["a missing id", `forbid (principal, action == Action::"run", resource);`, /no @id/],
    ["an id that is not one", `@id("a b") forbid (principal, action == Action::"run", resource);`, /not an id/],
    ["an unknown annotation", run("true", `@masks("*.ssn:full")`), /Unknown annotation @masks/],
    ["an annotation without its value", run("true", "@mask"), /@mask cannot read ""/],
    ["a mask without a table", run("true", `@mask("ssn:full")`), /@mask cannot read "ssn:full"/],
    ["an unknown kind of mask", run("true", `@mask("*.ssn:fully")`), /@mask cannot read/],
    ["what is computed in a word that it does not know", run("true", `@mask("*.ssn:full") @computed("yes")`), /@computed\("yes"\) is neither/],
    ["a mask that ends in a comma", run("true", `@mask("*.ssn:full,")`), /@mask cannot read ""/],
    ["a column masked in two ways", run("true", `@mask("*.ssn:full, *.ssn:partial")`), /names \*\.ssn twice/],
    ["an unknown detector", run("true", `@detect("emails")`), /@detect does not know "emails"/],
    ["a cap of no rows", run("true", `@rowCap("0")`), /@rowCap/],
    ["a cap that is not a number", run("true", `@rowCap("1e3")`), /@rowCap/],
    ["a reason of several lines", run("true", `@reason("a\\nb")`), /@reason must be one line/],
    ["an obligation of a forbid", `@id("a") @rowCap("1") forbid (principal, action == Action::"run", resource);`, /belongs on a permit/],
    [
      "an obligation where nothing runs",
      `@id("a") @rowCap("1") permit (principal, action == Action::"open", resource);`,
      /@rowCap belongs on a permit of Action::"run"/,
    ],
    ...["", "8", "0h", "8 h", "8H", "8d", "1h30m"].map(
      (written) =>
        [
          `a duration written ${JSON.stringify(written)}`,
          `@id("a") @maxDuration("${written}") permit (principal, action == Action::"request", resource);`,
          /@maxDuration\(.*\) is not a duration/,
        ] as const,
    ),
    ...["", "0MB", "10", "10 MB", "1.5MB", "2000GB"].map(
      (written) => [`a cap of bytes written ${JSON.stringify(written)}`, run("true", `@byteCap("${written}")`), /@byteCap\(.*\) is not a size/] as const,
    ),
    ...["", "0s", "30", "25h", "1d"].map(
      (written) => [`a time-out written ${JSON.stringify(written)}`, run("true", `@timeout("${written}")`), /@timeout\(.*\) is not a time/] as const,
    ),
    ...["", ",", "inputs", "output input", "input, all"].map(
      (written) =>
        [`a record of ${JSON.stringify(written)}`, run("true", `@record("${written}")`), /@record\(.*\) is not "input", "output" or "input, output"/] as const,
    ),
    [
      "a record of what opens",
      `@id("a") @record("output") permit (principal, action == Action::"open", resource);`,
      /@record belongs on a permit of Action::"run"/,
    ],
    ["a read-only command, for it is sessions that are", run("true", "@readOnly"), /@readOnly belongs on a permit of Action::"open"/],
    ["a flag with a value", run("true", `@reasonRequired("no")`), /@reasonRequired takes no value/],
    [
      "a reason asked of whoever approves",
      `@id("a") @reasonRequired permit (principal, action == Action::"approve", resource);`,
      /@reasonRequired belongs on a permit of/,
    ],
    ["nobody to notify", run("true", `@notify("")`), /@notify cannot read ""/],
    ["a zone that does not exist", run("true", `@timezone("Mars/Base")`), /@timezone\("Mars\/Base"\) is not a zone/],
    [
      "two zones",
      `${run("true", `@timezone("UTC")`)} ${run("true", `@timezone("Europe/Berlin")`).replace(`@id("r")`, `@id("s")`)}`,
      /@timezone is "UTC" in .*; a set has one/,
    ],
    ["a weekday that does not exist", run(`context.weekday == "Monday"`), /context\.weekday never holds "Monday"/],
    ["a duration of what is not asked for", run("true", `@maxDuration("8h")`), /belongs on a permit of Action::"request"/],
    ...["", "0 from a", "2 form a", "1 from a;", "1 from a b", "6", "3 from a; 3 from b"].map(
      (written) => [`approvals written ${JSON.stringify(written)}`, run("context.approvals >= 1", `@approvals("${written}")`), /@approvals/] as const,
    ),
    ["hours that are none", run("context.approvals >= 1", `@approverHours("8 to 6")`), /@approverHours/],
    ["a time-out over a day", run("context.approvals >= 1", `@approvalTimeout("25h")`), /@approvalTimeout.*at most "24h"/],
    ["an escalation that names no time", run("context.approvals >= 1", `@approvals("1 from a") @escalate("5 to b")`), /@escalate: "5" is not a time/],
    ["an escalation of what anybody may decide", run("context.approvals >= 1", `@escalate("5m to b")`), /@escalate needs @approvals/],
    ["groups that may deny, with none named", run("context.approvals >= 1", `@denyBy("")`), /@denyBy cannot read the group ""/],
    ["steps of a permit that asks nobody", run("true", `@approvals("1 from a")`), /asks for context.approvals/],
    [
      "steps of a forbid",
      `@id("a") @approvals("1 from b") forbid (principal, action == Action::"run", resource) unless { context.approvals >= 1 };`,
      /@approvals belongs on a permit/,
    ],
    [
      "steps of a permit of another action",
      `@id("a") @approvals("1 from b") permit (principal, action in [Action::"run", Action::"approve"], resource) when { action == Action::"run" && context.approvals >= 1 };`,
      /need a permit of Action::"run" or Action::"request" alone/,
    ],
    ["a risk class that does not exist", run(`context.riskClass == "Read"`), /context\.riskClass never holds "Read"/],
    ["a risk class that does not exist, in a set", run(`["read", "reed"].contains(context.riskClass)`), /never holds "reed"/],
    ["a hazard that does not exist", run(`context.hazards.containsAny(["dropp"])`), /context\.hazards never holds "dropp"/],
    ["a verb in lower case", run(`context.verbs.contains("drop table")`), /context\.verbs never holds/],
    ["a kind of identity that does not exist", run(`principal.kind == "robot"`), /principal\.kind never holds "robot"/],
    ["a label that is not a pair", run(`resource.labels.contains("prod")`), /resource\.labels never holds "prod"/],
    ["a pattern on a closed list of words", run(`context.riskClass like "dest*"`), /not with like/],
    ["more approvals than can be asked for", run("context.approvals >= 6"), /context\.approvals only as/],
    ["approvals compared in another way", run("context.approvals == 1"), /context\.approvals only as/],
    ["the context taken as a value", run("{ c: context }.c.approvals >= 1"), /context only as/],
    ["conditions nested deeper than Cedar's stack", run(Array(200).fill("context.unparsed").join(" && ")), /nested too deeply/],
    ["parentheses nested deeper than Cedar's parser", run(`${"(".repeat(2_000)}true${")".repeat(2_000)}`), /nested too deeply/],
    ["a policy of absurd length", run(`context.fingerprint == "${"x".repeat(MAX_POLICY_BYTES)}"`), /longer than/],
    ["no policy at all", "// nothing", /everything would be denied/],
  ] as const) {
    it(`refuses ${what}`, () => assertOneError(text, expected));
  }

  it("refuses an id that another file has, and says where", () => {
    assert.deepEqual(errors(run("true"), `\n${run("false || true")}`), [`@id("r") is taken by f0.cedar:1.`]);
  });

  it("goes on checking after a policy broke the parser", () => {
    assert.deepEqual(
      check(run(`${"(".repeat(2_000)}true${")".repeat(2_000)}`), run("true").replace('"r"', '"s"'), run("1 == 1").replace('"r"', '"s"')).map(
        ({ file }) => file,
      ),
      ["f0.cedar", "f2.cedar"],
    );
  });

  it("refuses names of files that do not end in .cedar, leave the folder, or come twice", () => {
    const named = (...names: string[]) =>
      compiler
        .check(names.map((name, index) => ({ name, text: run("true").replace('"r"', `"r${index}"`) })))
        .filter(({ severity }) => severity === "error")
        .map(({ message }) => message);
    assert.deepEqual(named("a.cedar", "team/b.cedar"), []);
    for (const name of ["a.txt", "/etc/a.cedar", "../a.cedar", "a/../../b.cedar", ""]) assert.match(named(name)[0] ?? "", /plain name/, name);
    assert.deepEqual(named("a.cedar", "a.cedar"), ["Two files have this name."]);
  });

  it("bounds files, bytes, policies and what it reports", () => {
    const files = (count: number, text: string) => compiler.check(Array.from({ length: count }, (_, index) => ({ name: `f${index}.cedar`, text })));
    assert.match(files(MAX_POLICY_FILES + 1, "")[0]?.message ?? "", /at most 200/);
    assert.match(files(1, " ".repeat(MAX_POLICY_SET_BYTES + 1))[0]?.message ?? "", /bytes/);
    assert.match(files(1, "x;".repeat(MAX_POLICIES + 1))[0]?.message ?? "", /1001 policies/);
    const many = files(1, "x;".repeat(MAX_PROBLEMS + 5));
    assert.equal(many.length, MAX_PROBLEMS + 1);
    assert.match(many.at(-1)?.message ?? "", /more problems/);
  });

  it("warns of a rule that can never match, and of a permit of every action", () => {
    const warnings = check(`@id("a") permit (principal, action, resource);\n@id("b") forbid (principal, action == Action::"run", resource) when { false };`);
    assert.deepEqual(
      warnings.map(({ severity, line }) => [severity, line]),
      [
        ["warning", 1],
        ["warning", 2],
      ],
    );
    assert.match(warnings[1]?.message ?? "", /impossible/);
  });

  it("compiles nothing with an error in it, and names every one", () => {
    assert.throws(
      () => compiler.compile("v1", [{ name: "a.cedar", text: `${run("true", `@rowCap("x")`)}\n${run("true")}` }]),
      (error) =>
        error instanceof SallyportError && error.code === "policy.invalid" && /a\.cedar:1: @rowCap.*\na\.cedar:2: @id\("r"\) is taken/.test(error.message),
    );
  });
});

describe("names that rules write of relations, columns and settings", () => {
  const told = (condition: string): readonly string[] =>
    check(`@id("f") forbid (principal, action == Action::"run", resource) when { ${condition} };`).map(({ severity, message }) => `${severity}: ${message}`);

  for (const [attribute, word, expected] of [
    ["columnsRead", "public.customers.email", /^error: context\.columnsRead never holds "public\.customers\.email": .* Write "customers\.email"\.$/],
    ["columnsFiltered", "customers", /^error: .* Write "customers\.\*"\.$/],
    ["columnsMatched", `"Odd.Name"`, /^error: .* Write .*Odd\.Name.*\.\*"\.$/],
    ["columnsCopied", `"customers".email`, /^error: .* Write "customers\.email"\.$/],
    ["columnsWritten", "customers.", /^error: .* no empty part/],
    ["relationsRead", "db.public.customers", /^error: .* Write "public\.customers"\.$/],
    ["relationsWritten", "public.*", /^error: .* one by one/],
    ["relationsRead", "*.*", /^error: .* one by one/],
    ["settings", "Role", /^error: .* Write "role"\.$/],
    ["relationsRead", "Customers", /^warning: context\.relationsRead holds "Customers" only .*"customers"\.$/],
    ["columnsRead", "Customers.email", /^warning: .*"customers\.email"\.$/],
  ] as const) {
    it(`are told when no command has them, or few: ${attribute} ${word}`, () => {
      const literal = JSON.stringify(word);
      for (const condition of [
        `context.${attribute}.contains(${literal})`,
        `context.${attribute}.containsAny(["role", ${literal}])`,
        `[${literal}].containsAll(context.${attribute})`,
      ]) {
        const found = told(condition).filter((message) => message.includes(literal.slice(1, -1)));
        assert.equal(found.length, 1, `${condition}: ${told(condition).join("; ")}`);
        assert.match(found[0] ?? "", expected);
      }
    });
  }

  it("are taken as facts write them", () => {
    for (const condition of [
      `context.columnsRead.containsAny(["customers.email", "*.email", "customers.*", "*.*", "\\"odd.name\\".email"])`,
      `context.relationsRead.containsAny(["customers", "public.customers", "a.\\"odd.name\\""])`,
      `context.relationsWritten.containsAny(["orders", "*.*"])`,
      `context.settings.containsAny(["role", "app.tenant", "*"])`,
    ])
      assert.deepEqual(told(condition), []);
  });

  it("that no command has keep nothing from being enforced that was published with them", () => {
    const text = `@id("r") permit (principal, action == Action::"run", resource);
      @id("f") forbid (principal, action == Action::"run", resource) when { context.columnsRead.contains("public.customers.email") };`;
    assert.equal(errors(text).length, 1);
    assert.doesNotThrow(() => compiler.compile("v1", [{ name: "a.cedar", text }]));
  });
});
