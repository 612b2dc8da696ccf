import assert from "node:assert/strict";
import { appendFileSync, linkSync, mkdtempSync, readFileSync, rmSync, statSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, it, type TestContext } from "node:test";
import { SallyportError } from "@sallyport/proto/errors";
import { SubjectKeys } from "./subject-keys.ts";

function newPath(t: TestContext): string {
  const folder = mkdtempSync(join(tmpdir(), "sallyport-keys-"));
  t.after(() => rmSync(folder, { recursive: true }));
  return join(folder, "subject-keys");
}

describe("the keys of subjects", () => {
  it("are the same after a restart, and readable by nobody else", (t) => {
    const path = newPath(t);
    const made = new SubjectKeys(path).ensure("ana");
    assert.deepEqual(new SubjectKeys(path).find("ana"), made);
    assert.equal(new SubjectKeys(path).ensure("ana").subject, made.subject);
    assert.equal(statSync(path).mode & 0o777, 0o600);
  });

  it("drop a line that a crash cut off, and go on after it", (t) => {
    const path = newPath(t);
    const ana = new SubjectKeys(path).ensure("ana");
    appendFileSync(path, '{"subject":"4a5b');
    const keys = new SubjectKeys(path);
    assert.deepEqual([keys.size, keys.find("ana")], [1, ana]);
    const bo = keys.ensure("bo");
    assert.deepEqual([new SubjectKeys(path).find("ana"), new SubjectKeys(path).find("bo")], [ana, bo]);
  });

  it("refuse a file in which a whole line is not a key", (t) => {
    const path = newPath(t);
    new SubjectKeys(path).ensure("ana");
    appendFileSync(path, '{"subject":"x"}\n');
    assert.throws(
      () => new SubjectKeys(path),
      (error) => error instanceof SallyportError && error.code === "ledger.corrupt" && error.message.includes("Line 2"),
    );
  });

  it("leave no byte of a destroyed key on the disk, and all others as they were", (t) => {
    const path = newPath(t);
    const keys = new SubjectKeys(path);
    const [ana, bo] = [keys.ensure("ana"), keys.ensure("bo")];
    const secret = ana.key.toString("base64");
    linkSync(path, `${path}.held`); // what is on the disk where the old file was
    assert.ok(readFileSync(`${path}.held`, "utf8").includes(secret));
    assert.equal(keys.destroy(ana.subject), true);
    assert.equal(keys.destroy(ana.subject), false);
    assert.match(readFileSync(`${path}.held`, "latin1"), /^\0+$/u);
    assert.ok(!readFileSync(path, "utf8").includes(secret));
    assert.ok(ana.key.every((byte) => byte === 0));
    assert.deepEqual([keys.find("ana"), keys.get(ana.subject), keys.find("bo")], [undefined, undefined, bo]);
    assert.deepEqual(new SubjectKeys(path).find("bo"), bo);
    assert.notEqual(keys.ensure("ana").subject, ana.subject);
  });

  it("reach a reader when it looks again", (t) => {
    const path = newPath(t);
    const [writer, reader] = [new SubjectKeys(path), new SubjectKeys(path)];
    const ana = writer.ensure("ana");
    assert.equal(reader.get(ana.subject), undefined);
    reader.refresh();
    assert.deepEqual(reader.get(ana.subject), ana);
    writer.destroy(ana.subject);
    reader.refresh();
    assert.equal(reader.get(ana.subject), undefined);
  });
});
