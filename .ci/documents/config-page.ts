import { configSchema } from "../../control-plane/src/config.ts";
import { environmentSchema, fileSchema } from "../../edge-agent/src/config.ts";
import { boundsIn, sourcesOf } from "./bounds.ts";
import { describeType, type JsonSchema } from "./json-schema.ts";
import { code, page, quantity, table } from "./markdown.ts";

/** Where the bounds that cannot be set are. The masks' own numbers (digits of a card, letters that are left) are not bounds. */
export const areas: Readonly<Record<string, readonly string[]>> = {
  "Gateway: PostgreSQL clients": ["proto/src/wire/**/*.ts", "control-plane/src/gateway/postgres/{,preview/,recording/}*.ts"],
  "Gateway: telling what a statement does": ["control-plane/src/gateway/postgres/facts/**/*.ts"],
  "Policy": ["control-plane/src/policy/**/*.ts"],
  "Sessions, approvals, identities, agents": ["control-plane/src/application/**/*.ts", "control-plane/src/domain/**/*.ts", "control-plane/src/what-if/**/*.ts"],
  "Notifications": ["control-plane/src/notify/**/*.ts"],
  "Ledger": ["control-plane/src/ledger/**/*.ts"],
  "Proof: bundles and their verification": ["proto/src/audit/**/*.ts", "cli/src/audit/**/*.ts"],
  "Lists and search": ["control-plane/src/read-models/**/*.ts"],
  "Tunnel, on both ends": ["proto/src/tunnel/**/*.ts"],
  "Control plane: agents' connections, certificates, API": [
    "control-plane/src/{tunnel,identity,api,grpc}/**/*.ts",
    "control-plane/src/{bootstrap,stop-signals}.ts",
  ],
  "Edge agent": ["edge-agent/src/{attestation,link,secrets,targets}/**/*.ts", "edge-agent/src/masking/{lineage,token}.ts"],
  "Command line": ["cli/src/*.ts", "cli/src/policy/**/*.ts"],
};

export function configPage(): string {
  return page(
    "Configuration",
    "the configuration schemas and the constants of the sources",
    "Each process reads its environment when it starts, and names every mistake at once. An empty variable counts as unset; an unknown one with the prefix of the process is a mistake.",
    "## Control plane",
    "`sallyport serve`; `sallyport serve --print-config` prints each setting and where it came from, without secrets. Variables that begin with `SALLYPORT_AGENT_` and `SALLYPORT_CLI_` are left to the other processes.",
    settings(configSchema.toJSONSchema({ io: "input" }) as JsonSchema),
    "## Edge agent",
    "`sallyport agent run`; `sallyport agent run --print-config` prints the same for it.",
    settings(environmentSchema.toJSONSchema({ io: "input" }) as JsonSchema),
    "### The agent's file",
    "YAML, named by `SALLYPORT_AGENT_CONFIG`. Relative paths in it start at its own folder. [Install an agent](../how-to/install-an-agent.md) has an example.",
    table(["Key", "Value", "Default", "Meaning"], fileRows(fileSchema.toJSONSchema({ io: "input" }) as JsonSchema)),
    "## Command line",
    "Which identity a command acts as is in a profile: a file `profiles/NAME.json` of the state directory, with `identity`, `apiAddress`, `postgresAddress`, `caFile` and `tokenFile`. Relative paths in it start at its own folder.",
    table(
      ["Variable", "Default", "Meaning"],
      [
        ["`SALLYPORT_CLI_DIR`", "the nearest `.sallyport` from here upwards, else the one in the home directory", "The state directory."],
        ["`SALLYPORT_CLI_AS`", "`default`", "The profile, where `--as` names none."],
      ],
    ),
    "## Fixed bounds",
    "What cannot be set, and why it is what it is. Reaching one is an error of [errors.md](errors.md), or makes the sender wait; nothing grows without end.",
    ...Object.entries(areas).flatMap(([title, globs]) => [`### ${title}`, boundsTable(globs)]),
  );
}

function settings({ properties = {} }: JsonSchema): string {
  const rows = Object.entries(properties).map(([name, schema]) => [code(name), describeType(schema), defaultOf(name, schema), meaning(name, schema)]);
  return table(["Variable", "Value", "Default", "Meaning"], rows);
}

function defaultOf(name: string, { default: value }: JsonSchema): string {
  if (value === undefined || value === "") return "";
  const shown = code(typeof value === "string" ? value : JSON.stringify(value));
  const read = typeof value === "number" && /_(BYTES|SECONDS|MS)$/.test(name) ? quantity(name, value) : "";
  return read === "" || Number.parseInt(read, 10) === value ? shown : `${shown} (${read})`;
}

function meaning(name: string, { description }: JsonSchema): string {
  if (description === undefined) throw new Error(`${name} has no description.`);
  return description;
}

/** Nested keys as dotted paths, `[]` for the members of a list. */
function fileRows(schema: JsonSchema, path = ""): string[][] {
  const required = new Set(schema.required);
  return Object.entries(schema.properties ?? {}).flatMap(([name, field]) => {
    const at = path === "" ? name : `${path}.${name}`;
    const [inner, suffix] = field.items === undefined ? [field, ""] : [field.items, "[]"];
    const members = (inner.anyOf ?? inner.oneOf ?? [inner]).flatMap((member) => fileRows(member, `${at}${suffix}`));
    const value = members.length === 0 ? describeType(field) : suffix === "" ? "object" : "list";
    const choice = inner.anyOf === undefined ? "" : " One of:";
    const absent = field.default !== undefined ? defaultOf("", field) : required.has(name) ? "(required)" : "";
    return [[code(at), value, absent, `${field.const === undefined ? meaning(at, field) : "The only one so far."}${choice}`], ...members];
  });
}

function boundsTable(globs: readonly string[]): string {
  const rows = boundsIn(sourcesOf(globs)).map(({ file, names, values, reason }) => [
    names.map(code).join("<br>"),
    values.map((value, i) => quantity(names[i] ?? "", value)).join("<br>"),
    reason,
    `[${file.slice(file.lastIndexOf("/") + 1)}](../../${file})`,
  ]);
  return table(["Constant", "Value", "Why", "In"], rows);
}
