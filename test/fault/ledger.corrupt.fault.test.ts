import assert from "node:assert/strict";
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { after, describe, it } from "node:test";
import { SallyportError } from "@sallyport/proto/errors";
import { quickCheck } from "../../control-plane/src/ledger/sqlite/ledger-file.ts";
import { openSqliteLedger } from "../../control-plane/src/ledger/sqlite/sqlite-ledger.ts";
import { collect, newEvents } from "../contract/ledger-probe.ts";

describe("a file that is not a sound ledger", () => {
  const folder = mkdtempSync(join(tmpdir(), "ledger-corrupt-"));
  after(() => rmSync(folder, { recursive: true }));

  const isCorrupt = (error: unknown): boolean => error instanceof SallyportError && error.code === "ledger.corrupt" && !error.message.includes(folder);
  const isUnavailable = (error: unknown): boolean => error instanceof SallyportError && error.code === "ledger.unavailable";

  /** Refused twice, since the first refusal must let go of the lock; and not one byte is changed. */
  async function refusesAndKeeps(file: string, bytes: Buffer): Promise<void> {
    writeFileSync(file, bytes);
    await assert.rejects(openSqliteLedger(file), isCorrupt);
    await assert.rejects(openSqliteLedger(file), isCorrupt);
    assert.ok(readFileSync(file).equals(bytes));
    assert.ok(!existsSync(`${file}-wal`) || readFileSync(`${file}-wal`).length === 0);
  }

  async function soundLedger(name: string): Promise<Buffer> {
    const file = join(folder, name);
    const ledger = await openSqliteLedger(file);
    for (let i = 0; i < 5; i++) await ledger.append(`a-${i}`, newEvents(100), "none");
    await ledger.close();
    return readFileSync(file);
  }

  it("is refused when it is empty, garbage, text, or shorter than a header", async () => {
    const magic = Buffer.from("SQLite format 3\0");
    const contents = [Buffer.alloc(0), Buffer.alloc(8_192, 0xa5), Buffer.from("hello\n"), magic, Buffer.concat([magic, Buffer.alloc(4_096)])];
    for (const [i, bytes] of contents.entries()) await refusesAndKeeps(join(folder, `garbage-${i}`), bytes);
  });

  it("is refused when it is cut at any length", async () => {
    const whole = await soundLedger("whole.db");
    for (const length of [1, 99, 100, 1_000, 4_096, 4_097, whole.length >> 1, whole.length - 4_096, whole.length - 1]) {
      await refusesAndKeeps(join(folder, `cut-${length}`), whole.subarray(0, length));
    }
  });

  it("is refused when it is another application's database, or of a newer release, or its tables were changed", async () => {
    const other = join(folder, "other.db");
    const db = new DatabaseSync(other);
    db.exec("CREATE TABLE t (a)");
    db.close();
    await refusesAndKeeps(other, readFileSync(other));
    const alterations = { newer: "PRAGMA user_version = 999", altered: "ALTER TABLE events ADD COLUMN extra TEXT", dropped: "DROP INDEX events_by_stream" };
    for (const [name, alteration] of Object.entries(alterations)) {
      await soundLedger(`${name}.db`);
      const altered = new DatabaseSync(join(folder, `${name}.db`));
      altered.exec(`${alteration}; PRAGMA wal_checkpoint(TRUNCATE)`);
      altered.close();
      await refusesAndKeeps(join(folder, `${name}.db`), readFileSync(join(folder, `${name}.db`)));
    }
  });

  it("is refused when the file is gone and its write-ahead log is there", async () => {
    const file = join(folder, "gone.db");
    writeFileSync(`${file}-wal`, "x");
    await assert.rejects(openSqliteLedger(file), isCorrupt);
    assert.ok(!existsSync(file));
  });

  it("is found by the quick check when a page in the middle is overwritten, and reading it is an error, not another history", async () => {
    const whole = await soundLedger("middle.db");
    const damaged = Buffer.from(whole);
    damaged.fill(0xa5, whole.length >> 1, (whole.length >> 1) + 8_192);
    const file = join(folder, "damaged.db");
    writeFileSync(file, damaged);
    assert.notDeepEqual(quickCheck(file), []);
    const ledger = await openSqliteLedger(file);
    await assert.rejects(collect(ledger.readAll()), isCorrupt);
    await ledger.close();
  });

  it("is an event whose JSON was changed: reading stops there and names the position", async () => {
    await soundLedger("json.db");
    const db = new DatabaseSync(join(folder, "json.db"));
    db.exec("UPDATE events SET data = 'not JSON' WHERE position = 42");
    db.close();
    const ledger = await openSqliteLedger(join(folder, "json.db"));
    await assert.rejects(collect(ledger.readAll()), (error) => isCorrupt(error) && (error as SallyportError).details["position"] === "42");
    await ledger.close();
  });

  it("is told from a path that cannot be used: no such folder, or a folder in the file's place", async () => {
    await assert.rejects(openSqliteLedger(join(folder, "no", "such", "ledger.db")), isUnavailable);
    mkdirSync(join(folder, "folder.db"));
    await assert.rejects(openSqliteLedger(join(folder, "folder.db")), isCorrupt);
  });
});
