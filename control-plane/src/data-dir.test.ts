import assert from "node:assert/strict";
import { mkdtempSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, it } from "node:test";
import { makeDataDir } from "./data-dir.ts";

describe("the data directory", () => {
  it("is its owner's alone, and stays when it is there", (t) => {
    const folder = mkdtempSync(join(tmpdir(), "data-dir-"));
    t.after(() => rmSync(folder, { recursive: true }));
    const path = join(folder, "deep", "data");
    makeDataDir(path, "SALLYPORT_DATA_DIR");
    makeDataDir(path, "SALLYPORT_DATA_DIR");
    assert.equal(statSync(path).mode & 0o777, 0o700);
  });

  it("that cannot be made is a mistake of the configuration, which is named", (t) => {
    const folder = mkdtempSync(join(tmpdir(), "data-dir-"));
    t.after(() => rmSync(folder, { recursive: true }));
    const file = join(folder, "file");
    writeFileSync(file, "");
    for (const path of [file, join(file, "data"), "/proc/nowhere", "/proc/nowhere/data"]) {
      assert.throws(() => makeDataDir(path, "SALLYPORT_DATA_DIR"), { code: "config.invalid", message: /SALLYPORT_DATA_DIR/u });
    }
  });
});
