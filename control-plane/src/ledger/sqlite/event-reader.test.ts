import assert from "node:assert/strict";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { after, describe, it } from "node:test";
import { EventReader, PAGE_BYTES } from "./event-reader.ts";
import { REVISION } from "./event-row.ts";
import { createLedgerFile } from "./ledger-file.ts";
import { LedgerWriter } from "./ledger-writer.ts";
import type { EncodedAppend } from "./writer-messages.ts";

const append = (stream: string, expected: number, texts: readonly string[]): EncodedAppend => {
  const events = texts.map((data) => ({ id: "00000000-0000-4000-8000-000000000000", type: "T", data, metadata: "{}" }));
  return { stream, expected, events, bytes: 0 };
};

describe("EventReader", () => {
  const folder = mkdtempSync(join(tmpdir(), "ledger-reader-"));
  const file = join(folder, "ledger.db");
  createLedgerFile(file);
  const writer = new LedgerWriter(file);
  const reader = new EventReader(file);
  after(() => {
    reader.close();
    writer.close();
    rmSync(folder, { recursive: true });
  });

  it("ends a page at the limit, or with the event that takes it past its bytes", () => {
    const large = `"${"x".repeat(PAGE_BYTES / 2)}"`;
    writer.commit([append("large-1", -1, [large, large, large]), append("small-1", -1, ["1", "2", "3"])]);
    const page = (stream: string, limit: number) => reader.streamPage(reader.streamHead(stream)?.number ?? -1, { low: 0, high: 2 }, "forwards", limit);
    assert.deepEqual([page("large-1", 100).rows.length, page("large-1", 100).whole], [2, false]);
    assert.deepEqual(
      page("small-1", 2).rows.map((row) => row[REVISION]),
      [0, 1],
    );
    assert.deepEqual([page("small-1", 100).rows.length, page("small-1", 100).whole], [3, true]);
  });

  it("lets go of its snapshot when it leaves a page early, so that the write-ahead log can be emptied", () => {
    const pages = reader.logPages(undefined, "forwards");
    assert.equal(pages({ low: 1, high: 6 }, 1).rows.length, 1);
    writer.commit([append("later-1", -1, ["1"])]);
    const other = new DatabaseSync(file);
    const checkpoint = other.prepare("PRAGMA wal_checkpoint(TRUNCATE)").get();
    other.close();
    assert.deepEqual(checkpoint?.["busy"], 0);
  });
});
