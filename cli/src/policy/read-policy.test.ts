import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, describe, it } from "node:test";
import { Misuse } from "../exit-status.ts";
import { readPolicy } from "./read-policy.ts";

describe("a folder of policies", () => {
  let folder: string;
  before(() => (folder = mkdtempSync(join(tmpdir(), "sallyport-policies-"))));
  after(() => rmSync(folder, { recursive: true }));

  it("is its policies and their tests, in the order of their names", () => {
    const at = join(folder, "plain");
    mkdirSync(at);
    for (const name of ["b.cedar", "a.cedar", "a.test.json", "notes.md"]) writeFileSync(join(at, name), name);
    assert.deepEqual(
      readPolicy(at).map(({ name, text }) => [name, text]),
      ["a.cedar", "a.test.json", "b.cedar"].map((name) => [name, name]),
    );
  });

  it("is refused where one of them is no file, rather than waited for", () => {
    const at = join(folder, "odd");
    mkdirSync(at);
    execFileSync("mkfifo", [join(at, "pipe.cedar")]);
    assert.throws(() => readPolicy(at), Misuse);
    rmSync(join(at, "pipe.cedar"));
    mkdirSync(join(at, "folder.cedar"));
    assert.throws(() => readPolicy(at), Misuse);
  });
});
