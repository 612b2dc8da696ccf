import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { cpSync, mkdirSync, symlinkSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { execPath } from "node:process";
import { before, after, describe, it } from "node:test";
import { fileURLToPath } from "node:url";
import { tempDir } from "../support/temp-dir.ts";

const repository = fileURLToPath(new URL("../..", import.meta.url));

interface Finding {
  readonly file: string;
  readonly rule: string;
}

/** The linter, with our configuration, over a tree that holds only these files. */
function lint(root: string, files: Readonly<Record<string, string>>): readonly Finding[] {
  for (const [file, text] of Object.entries(files)) {
    mkdirSync(join(root, dirname(file)), { recursive: true });
    writeFileSync(join(root, file), text);
  }
  for (const name of [".oxlintrc.json", "tsconfig.json", "package.json"]) cpSync(join(repository, name), join(root, name));
  symlinkSync(join(repository, "node_modules"), join(root, "node_modules"));
  const { stdout, stderr } = spawnSync(execPath, [join(repository, "node_modules", ".bin", "oxlint"), "--format=json"], { cwd: root, encoding: "utf8" });
  assert.ok(stdout.startsWith("{"), `oxlint printed no report: ${stdout}${stderr}`);
  const { diagnostics } = JSON.parse(stdout) as { readonly diagnostics: readonly { readonly filename: string; readonly code: string }[] };
  return diagnostics.map(({ filename, code }) => ({ file: filename, rule: code }));
}

const uses = (specifier: string): string => `import { value } from "${specifier}";\nexport const copy = value;\n`;
const usesType = (specifier: string): string => `import type { Value } from "${specifier}";\nexport type Copy = Value;\n`;

/** Each file imports what it may not. Its name says why. */
const planted = {
  "proto/src/imports-another-workspace.ts": uses("@sallyport/control-plane/domain/facts"),
  "proto/src/imports-across-folders.ts": uses("../../edge-agent/src/link/link.ts"),
  "control-plane/src/gateway/postgres/imports-the-agent.ts": uses("@sallyport/edge-agent/link/link"),
  "control-plane/src/imports-the-agent-by-path.ts": uses("../../edge-agent/src/link/link.ts"),
  "control-plane/src/api/imports-the-cli-lazily.ts": `export const later = (): Promise<unknown> => import("@sallyport/cli/main");\n`,
  "edge-agent/src/link/imports-the-control-plane.ts": uses("@sallyport/control-plane/ledger/ledger"),
  "edge-agent/src/link/imports-a-type-of-the-control-plane.ts": usesType("../../../control-plane/src/ledger/ledger.ts"),
  "edge-agent/src/link/imports-main.ts": uses("../main.ts"),
  "cli/src/imports-the-control-plane.ts": uses("@sallyport/control-plane/ledger/ledger"),
  "cli/src/imports-the-agent.ts": uses("@sallyport/edge-agent/main"),
  "deploy/demo/imports-the-control-plane.ts": uses("@sallyport/control-plane/main"),
  "proto/src/wire/postgres/imports-the-network.ts": uses("node:net"),
  "proto/src/wire/postgres/imports-a-package.ts": uses("pg"),
  "proto/src/wire/postgres/imports-the-tunnel.ts": uses("../../tunnel/channel.ts"),
  "proto/src/wire/postgres/imports-generated-code.ts": uses("../../gen/sallyport/tunnel/v1/tunnel.ts"),
  "control-plane/src/domain/imports-node.ts": uses("node:crypto"),
  "control-plane/src/domain/session/imports-node.ts": uses("node:fs"),
  "control-plane/src/domain/session/imports-grpc.ts": uses("@grpc/grpc-js"),
  "control-plane/src/domain/session/imports-the-ledger.ts": usesType("../../ledger/ledger.ts"),
  "control-plane/src/domain/session/imports-the-application.ts": usesType("../../application/ports.ts"),
  "control-plane/src/domain/imports-the-gateway.ts": uses("../gateway/postgres/session.ts"),
  "control-plane/src/domain/imports-the-tunnel.ts": uses("@sallyport/proto/tunnel/channel"),
  "control-plane/src/application/imports-a-ledger-adapter.ts": uses("../ledger/sqlite/sqlite-ledger.ts"),
  "control-plane/src/application/imports-the-gateway.ts": usesType("../gateway/postgres/session.ts"),
  "control-plane/src/application/imports-the-policy-adapter.ts": uses("../policy/compiler.ts"),
  "control-plane/src/application/imports-the-configuration.ts": usesType("../config.ts"),
  "control-plane/src/application/exports-from-the-tunnel.ts": `export { value } from "../tunnel/server.ts";\n`,
  "control-plane/src/gateway/postgres/imports-main.ts": uses("../../main.ts"),
  "control-plane/src/gateway/postgres/imports-a-ledger-adapter.ts": uses("../../ledger/sqlite/sqlite-ledger.ts"),
  "control-plane/src/tunnel/imports-main.ts": uses("../main.ts"),
  "control-plane/src/api/imports-main.ts": uses("../main.ts"),
  "control-plane/src/policy/imports-main.ts": uses("../main.ts"),
  "control-plane/src/identity/imports-main.ts": uses("../main.ts"),
  "control-plane/src/ledger/sqlite/imports-main.ts": uses("../../main.ts"),
  "control-plane/src/ledger/sqlite/imports-the-application.ts": usesType("../../application/ports.ts"),
} as const;

/** Each file imports what the layout is made for. */
const allowed = {
  "proto/src/errors.ts": `export const value = 1;\nexport type Value = number;\n`,
  "proto/src/wire/postgres/frames.ts": uses("../../errors.ts"),
  "proto/src/wire/postgres/digest.ts": uses("node:crypto"),
  "proto/src/wire/postgres/query.ts": uses("./frames.ts"),
  "proto/src/wire/mysql/query.ts": uses("../postgres/frames.ts"),
  "proto/src/wire/postgres/frames.test.ts": uses("node:assert/strict"),
  "control-plane/src/domain/facts.ts": uses("./session/session.events.ts"),
  "control-plane/src/domain/session/session.events.ts": uses("@sallyport/proto/errors"),
  "control-plane/src/domain/session/session.machine.ts": uses("xstate"),
  "control-plane/src/domain/session/session.decider.ts": usesType("../facts.ts"),
  "control-plane/src/domain/policy/policy.decider.ts": usesType("../identity/identity.events.ts"),
  "control-plane/src/domain/session/session.decider.test.ts": uses("node:fs"),
  "control-plane/src/application/ports.ts": usesType("../ledger/ledger.ts"),
  "control-plane/src/application/open-session.ts": uses("../domain/session/session.decider.ts"),
  "control-plane/src/application/open-session.test.ts": uses("../ledger/sqlite/sqlite-ledger.ts"),
  "control-plane/src/gateway/postgres/session.ts": usesType("../../application/ports.ts"),
  "control-plane/src/ledger/sqlite/sqlite-ledger.ts": usesType("../ledger.ts"),
  "control-plane/src/main.ts": uses("./ledger/sqlite/sqlite-ledger.ts"),
  "edge-agent/src/main.ts": uses("./link/link.ts"),
  "edge-agent/src/link/link.ts": uses("@sallyport/proto/tunnel/channel"),
  "cli/src/main.ts": uses("@sallyport/deploy/demo/postgres-server"),
  "test/e2e/everything.e2e.test.ts": uses("@sallyport/control-plane/main"),
} as const;

describe("the linter", () => {
  const cleanup = { after };
  let found: readonly Finding[] = [];

  before(() => {
    const cycle = { "cli/src/one.ts": uses("./two.ts").replace("copy", "value"), "cli/src/two.ts": uses("./one.ts").replace("copy", "value") };
    const careless = {
      "cli/src/floating.ts": `export function start(run: () => Promise<void>): void {\n  run();\n}\n`,
      "cli/src/anything.ts": `export const parse = (text: string): any => JSON.parse(text);\n`,
      "control-plane/src/domain/session/reads-the-clock.ts": `export const now = (): number => Date.now();\n`,
      "control-plane/src/domain/session/rolls-dice.ts": `export const chance = (): number => Math.random();\n`,
      "control-plane/src/domain/session/reads-the-environment.ts": `export const home = (): string | undefined => process.env["HOME"];\n`,
    };
    found = lint(tempDir(cleanup), { ...planted, ...allowed, ...cycle, ...careless });
  });

  const rulesFor = (file: string): readonly string[] => found.filter((finding) => finding.file === file).map(({ rule }) => rule);

  for (const file of Object.keys(planted)) {
    it(`refuses ${file}`, () => assert.ok(rulesFor(file).includes("eslint(no-restricted-imports)"), `found: ${rulesFor(file).join(", ")}`));
  }

  for (const file of Object.keys(allowed)) {
    it(`lets ${file} be`, () => assert.ok(!rulesFor(file).includes("eslint(no-restricted-imports)")));
  }

  it("finds an import cycle", () => {
    assert.ok(rulesFor("cli/src/one.ts").includes("import(no-cycle)"));
  });

  it("finds a promise that nobody waits for, which takes types", () => {
    assert.ok(rulesFor("cli/src/floating.ts").includes("typescript(no-floating-promises)"));
  });

  it("finds `any`", () => {
    assert.ok(rulesFor("cli/src/anything.ts").includes("typescript(no-explicit-any)"));
  });

  it("finds a clock, chance and the process in the domain", () => {
    assert.deepEqual(rulesFor("control-plane/src/domain/session/reads-the-clock.ts"), ["eslint(no-restricted-properties)"]);
    assert.deepEqual(rulesFor("control-plane/src/domain/session/rolls-dice.ts"), ["eslint(no-restricted-properties)"]);
    assert.deepEqual(rulesFor("control-plane/src/domain/session/reads-the-environment.ts"), ["eslint(no-restricted-globals)"]);
  });
});
