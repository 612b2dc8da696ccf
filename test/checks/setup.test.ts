import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { createHash } from "node:crypto";
import { cpSync, existsSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { execPath, version } from "node:process";
import { describe, it, type TestContext } from "node:test";
import { fileURLToPath } from "node:url";
import { tempDir } from "../support/temp-dir.ts";

const repository = fileURLToPath(new URL("../..", import.meta.url));

interface Clone {
  readonly root: string;
  readonly stamp: string;
  readonly lock: string;
  setup(flags?: readonly string[], path?: string): { readonly status: number | null; readonly output: string };
  npmRuns(): readonly string[];
}

/** A clone with a lockfile of its own and an npm that only notes how it was called. */
function clone(t: TestContext, npmStatus = 0): Clone {
  const root = tempDir(t, "clone");
  const lock = "{}\n";
  const runs = join(root, "npm-runs");
  mkdirSync(join(root, ".ci"));
  cpSync(join(repository, ".ci", "setup.mjs"), join(root, ".ci", "setup.mjs"));
  writeFileSync(join(root, "package-lock.json"), lock);
  const npm = `import { appendFileSync, mkdirSync } from "node:fs";
    appendFileSync(${JSON.stringify(runs)}, process.argv.slice(2).join(" ") + "\\n");
    mkdirSync("node_modules", { recursive: true });
    process.exitCode = ${npmStatus};`;
  writeFileSync(join(root, "npm.mjs"), npm);
  const stamp = join(root, "node_modules", ".sallyport-lock");
  return {
    root,
    stamp,
    lock,
    setup: (flags = [], path = process.env["PATH"] ?? "") => {
      const env = { PATH: path, npm_execpath: join(root, "npm.mjs"), npm_node_execpath: execPath };
      const { status, stdout, stderr } = spawnSync(execPath, [join(root, ".ci", "setup.mjs"), ...flags], { cwd: root, env, encoding: "utf8" });
      return { status, output: `${stdout}${stderr}` };
    },
    npmRuns: () => (existsSync(runs) ? readFileSync(runs, "utf8").trim().split("\n") : []),
  };
}

const hash = (text: string): string => createHash("sha256").update(text).digest("hex");

describe("setup", () => {
  it("installs the packages of a fresh clone, once", (t) => {
    const fresh = clone(t);
    assert.equal(fresh.setup().status, 0);
    assert.equal(readFileSync(fresh.stamp, "utf8"), hash(fresh.lock));
    assert.equal(fresh.setup().status, 0);
    assert.equal(fresh.npmRuns().length, 1);
    assert.match(fresh.npmRuns()[0] ?? "", /^install --no-save /u);
  });

  it("installs again when the lockfile has changed", (t) => {
    const updated = clone(t);
    updated.setup();
    writeFileSync(join(updated.root, "package-lock.json"), '{ "changed": true }\n');
    assert.match(updated.setup().output, /package-lock\.json has changed/u);
    assert.equal(updated.npmRuns().length, 2);
  });

  it("says so, and tries again the next time, when npm fails", (t) => {
    const offline = clone(t, 7);
    const { status, output } = offline.setup();
    assert.equal(status, 1);
    assert.match(output, /`npm install` failed/u);
    assert.ok(!existsSync(offline.stamp));
    offline.setup();
    assert.equal(offline.npmRuns().length, 2);
  });

  it("lists what the tests need, with Debian's names, to somebody who may not install it", (t) => {
    const bare = clone(t);
    bare.setup();
    // Without apt-get even root may not.
    const { status, output } = bare.setup(["--test"], "/nonexistent");
    assert.equal(status, 1);
    for (const name of ["psql", "postgresql-client", "iproute2", "util-linux"]) assert.ok(output.includes(name), output);
    assert.equal(bare.setup([], "/nonexistent").status, 0);
  });

  it("refuses an option that it does not know", (t) => {
    assert.match(clone(t).setup(["--everything"]).output, /unknown option --everything/u);
  });
});

describe("the pinned Node", () => {
  it("is the one that runs the tests", () => {
    const { dependencies } = JSON.parse(readFileSync(join(repository, "package.json"), "utf8")) as { readonly dependencies: { readonly node: string } };
    assert.equal(version, `v${dependencies.node}`);
  });
});
