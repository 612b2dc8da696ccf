import assert from "node:assert/strict";
import { mkdtempSync, readFileSync, rmSync, statSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, it } from "node:test";
import { createFile } from "./durable-files.ts";

describe("a file that is created", () => {
  it("is whole, in a folder that is made for it, and comes over none that is there", async (t) => {
    const folder = mkdtempSync(join(tmpdir(), "durable-files-"));
    t.after(() => rmSync(folder, { recursive: true }));
    const path = join(folder, "deep", "er", "file");
    await createFile(path, "first", 0o600);
    await assert.rejects(createFile(path, "second", 0o600), { code: "config.invalid" });
    assert.equal(readFileSync(path, "utf8"), "first");
    assert.deepEqual([statSync(path).mode & 0o777, statSync(join(folder, "deep")).mode & 0o777], [0o600, 0o700]);
  });

  it("is refused where no folder can be made, also by a file system that knows none", { timeout: 10_000 }, async () => {
    for (const path of ["/proc/nowhere/file", "/proc/nowhere/deep/file"]) await assert.rejects(createFile(path, "", 0o600), { code: "config.invalid" });
  });
});
