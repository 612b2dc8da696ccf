import assert from "node:assert/strict";
import { existsSync, globSync, readFileSync } from "node:fs";
import { dirname, join, resolve } from "node:path";
import { describe, it } from "node:test";
import { parse } from "yaml";
import { boundsIn, isBound, sourcesOf } from "../../.ci/documents/bounds.ts";
import { program } from "../../.ci/documents/cli-page.ts";
import { areas } from "../../.ci/documents/config-page.ts";
import { quantity } from "../../.ci/documents/markdown.ts";
import { errorCodes } from "../../proto/src/errors.ts";
import { configSchema } from "../../control-plane/src/config.ts";
import { environmentSchema, fileSchema } from "../../edge-agent/src/config.ts";
import { TARGET_VARIABLE } from "../support/postgres-server.ts";

const documents = ["README.md", "CONTRIBUTING.md", ...globSync("docs/**/*.md")];
/** By hand: the other references are generated. */
const written = documents.filter((file) => !file.startsWith("docs/reference/") || file === "docs/reference/policy.md");
const textOf = (file: string): string => readFileSync(file, "utf8");
const fence = /^```(\w*)\n([^]*?)^```$/gm;
const blocksOf = (file: string, ...languages: readonly string[]): string[] =>
  [...textOf(file).matchAll(fence)].flatMap(([, language = "", text = ""]) => (languages.includes(language) ? [text] : []));

type Verb = ReturnType<typeof program>;

/** The words of each `sallyport …` in the shell examples. */
const commands = written.flatMap((file) =>
  blocksOf(file, "sh", "").flatMap((text) =>
    text
      .replaceAll(/\s+#.*$/gm, "")
      .split("\n")
      .map((line) => /^(?:[A-Z_]+=\S+ )*(?:npx )?sallyport (.*)$/.exec(line)?.[1])
      .filter((line) => line !== undefined)
      .map((line) => ({ file, line, words: [...line.replace(/ [<>].*$/, "").matchAll(/"[^"]*"|\S+/g)].map(([word]) => word) })),
  ),
);

/** What runs where a verb is given none of its subcommands; the library tells nobody. */
const defaultOf = (verb: Verb): Verb | undefined =>
  verb.commands.find((each) => each.name() === Reflect.get(verb, "_defaultCommandName") && each.registeredArguments.length > 0);

/** What is wrong with a command line, told by the program's own description of itself. */
function mistakeIn(words: readonly string[]): string | undefined {
  let verb: Verb = program();
  const options = [...verb.options];
  const operands: string[] = [];
  for (let i = 0; i < words.length; i++) {
    const word = words[i] ?? "";
    const named = verb.commands.find((each) => each.name() === word);
    if (named === undefined && !word.startsWith("--")) options.push(...(verb = defaultOf(verb) ?? verb).options);
    const below = operands.length === 0 ? named : undefined;
    if (word.startsWith("--")) {
      const option = options.find(({ long }) => long === word);
      if (option === undefined) return `${verb.name()} has no ${word}`;
      if (option.required) i++;
    } else if (below === undefined) operands.push(word);
    else options.push(...(verb = below).options);
  }
  const all = verb.registeredArguments;
  const fits = operands.length <= all.length && operands.length >= all.filter((each) => each.required).length;
  return fits ? undefined : `${verb.name()} takes ${all.length} operands, not "${operands.join(" ")}"`;
}

describe("the documents", () => {
  it("link to nothing that is not there", () => {
    for (const file of documents) {
      for (const [, target = ""] of textOf(file).matchAll(/\]\((?!https?:)([^)\s]+)\)/g)) {
        const [path = "", anchor] = target.split("#");
        const linked = path === "" ? file : join(dirname(file), path);
        assert.ok(existsSync(resolve(linked)), `${file} links to ${target}`);
        if (anchor === undefined) continue;
        const headings = [...textOf(linked).matchAll(/^#+ (.*)$/gm)].map(([, title = ""]) =>
          title
            .toLowerCase()
            .replaceAll(/[^\w -]/g, "")
            .replaceAll(" ", "-"),
        );
        assert.ok(headings.includes(anchor), `${file} links to ${target}`);
      }
    }
  });

  it("show commands that the command line has, with the options that it takes", () => {
    assert.ok(commands.length >= 20, `only ${commands.length} commands were found`);
    for (const { file, line, words } of commands) assert.equal(mistakeIn(words), undefined, `${file}: ${line}`);
  });

  it("are checked by something that knows a wrong command", () => {
    assert.match(mistakeIn(["approvals", "aprove", "ID"]) ?? "", /approvals/);
    assert.match(mistakeIn(["approvals", "approve"]) ?? "", /operands/);
    assert.match(mistakeIn(["agents", "revoke", "ID", "--why", "x"]) ?? "", /--why/);
  });

  it("show an agent's file that an agent takes", () => {
    const [text, ...more] = blocksOf("docs/how-to/install-an-agent.md", "yaml");
    assert.ok(text !== undefined && more.length === 0);
    assert.equal(fileSchema.parse(parse(text)).resources.length, 2);
  });

  it("name no variable and no error code that does not exist", () => {
    const variables = new Set([
      ...Object.keys(configSchema.shape),
      ...Object.keys(environmentSchema.shape),
      "SALLYPORT_CLI_DIR",
      "SALLYPORT_CLI_AS",
      TARGET_VARIABLE,
    ]);
    for (const file of written) {
      for (const [name] of textOf(file).matchAll(/SALLYPORT_[A-Z_]*[A-Z]/g)) assert.ok(variables.has(name), `${file}: ${name}`);
    }
    const guides = ["docs/how-to/connect.md", "docs/how-to/install-an-agent.md"];
    const families = new Set(Object.keys(errorCodes).map((code) => code.slice(0, code.indexOf("."))));
    for (const file of guides) {
      for (const [, code = ""] of textOf(file).matchAll(/(?:^\| |, |\| )`([a-z]+\.[a-z_]+)`/gm)) {
        if (families.has(code.slice(0, code.indexOf(".")))) assert.ok(Object.hasOwn(errorCodes, code), `${file}: ${code}`);
      }
    }
  });

  it("give each error of the connection guide its SQLSTATE of the table", () => {
    const rows = [...textOf("docs/how-to/connect.md").matchAll(/^\| `([0-9A-Z]{5})` \| ([^|]*) \|/gm)];
    assert.ok(rows.length >= 8);
    const table = new Map<string, string>(Object.entries(errorCodes).map(([code, { sqlstate }]) => [code, sqlstate]));
    for (const [, sqlstate = "", codes = ""] of rows) for (const [, code = ""] of codes.matchAll(/`([^`]*)`/g)) assert.equal(table.get(code), sqlstate, code);
  });
});

describe("the list of fixed bounds", () => {
  const bounds = (text: string, others: Readonly<Record<string, string>> = {}) =>
    boundsIn(["a/b.ts"], (file) => (file === "a/b.ts" ? text : (others[file] ?? "")));

  it("holds every bound of the sources", () => {
    const listed = new Set(
      Object.values(areas).flatMap((globs) => boundsIn(sourcesOf(globs)).flatMap(({ file, names }) => names.map((name) => `${file} ${name}`))),
    );
    // What can be set, masks' digits, and the demo's own tokens are not fixed bounds.
    const elsewhere = /^(control-plane|edge-agent)\/src\/config\.ts$|^edge-agent\/src\/masking\/|^cli\/src\/up\//;
    const missing = sourcesOf(["{proto,control-plane,edge-agent,cli}/src/**/*.ts"])
      .filter((file) => !elsewhere.test(file))
      .flatMap((file) => [...textOf(file).matchAll(/^(?:export )?const ([A-Z][A-Z0-9_]*)[ :]/gm)].map(([, name = ""]) => ({ file, name })))
      .filter(({ file, name }) => isBound(name) && !listed.has(`${file} ${name}`));
    assert.deepEqual(missing, []);
    assert.ok(listed.size > 100, `only ${listed.size} bounds were found`);
  });

  it("gives each its comment and its value, with what other constants it is made of", () => {
    const text = `import { PAGE_BYTES } from "./page.ts";\n\n/** A line. */\nexport const MAX_LINES = 2 ** 3 - 1;\nconst MAX_QUEUE_BYTES = 2 * PAGE_BYTES + 4;\n\n/**\n * Two\n * lines.\n */\nconst WAIT_MS = 64 << 4;\n`;
    assert.deepEqual(bounds(text, { "a/page.ts": "/** A page. */\nexport const PAGE_BYTES = 4_096;\n" }), [
      { file: "a/b.ts", names: ["MAX_LINES", "MAX_QUEUE_BYTES"], values: [7, 8_196], reason: "A line." },
      { file: "a/b.ts", names: ["WAIT_MS"], values: [1_024], reason: "Two lines." },
    ]);
  });

  it("is not written while one of them has no comment", () => {
    assert.throws(() => bounds("export const MAX_LINES = 7;\n"), /MAX_LINES has no comment/);
    assert.throws(() => bounds("/** Of something else. */\nconst x = 1;\nexport const MAX_LINES = 7;\n"), /MAX_LINES has no comment/);
  });

  it("fails on a value that it cannot read, rather than leaving it out", () => {
    for (const value of ["(1 + 2) * 3", "limit()", "OTHER", "2.5.1"])
      assert.throws(() => bounds(`/** Why. */\nconst MAX_LINES = ${value};\n`), /MAX_LINES|arithmetic|OTHER/, value);
  });

  it("shows sizes and times in the largest unit that is exact", () => {
    assert.equal(quantity("MAX_BYTES", 393_216), "384 KiB");
    assert.equal(quantity("MAX_BYTES", 10_000), "10,000 bytes");
    assert.equal(quantity("WAIT_MS", 90_000), "90 s");
    assert.equal(quantity("WAIT_MS", 86_400_000), "1 d");
    assert.equal(quantity("WAIT_SECONDS", 397 * 86_400), "397 d");
    assert.equal(quantity("MAX_NAMES", 10_000), "10,000");
  });
});
