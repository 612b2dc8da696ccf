import assert from "node:assert/strict";
import { DatabaseSync } from "node:sqlite";
import { describe, it } from "node:test";
import { LOG_ENTRIES, LOG_HEAD, logPage, STORED_AT, STREAM_HEAD, streamPage } from "./queries.ts";
import { CREATE_LEDGER } from "./schema.ts";

describe("the ledger's queries", () => {
  const db = new DatabaseSync(":memory:");
  db.exec(CREATE_LEDGER);
  // Statistics of a ledger with long streams, where a planner that has a choice may choose otherwise than on an empty one.
  db.exec(
    "ANALYZE; INSERT INTO sqlite_stat1 VALUES ('events', 'events_by_stream', '10000000 100000 1'), ('streams', 'sqlite_autoindex_streams_1', '100 1'); ANALYZE sqlite_schema",
  );
  const plan = (sql: string): string[] =>
    db
      .prepare(`EXPLAIN QUERY PLAN ${sql}`)
      .all()
      .map((row) => String(row["detail"]));

  it("find a stream's head and stored ids by index, never by walking the stream", () => {
    assert.deepEqual(plan(STREAM_HEAD), [
      "SEARCH streams USING COVERING INDEX sqlite_autoindex_streams_1 (name=?)",
      "CORRELATED SCALAR SUBQUERY 1",
      "SEARCH events USING COVERING INDEX events_by_stream (stream_number=?)",
      "CORRELATED SCALAR SUBQUERY 2",
      "SEARCH removed USING COVERING INDEX removed_by_stream (stream_number=?)",
    ]);
    assert.deepEqual(plan(STORED_AT), ["SEARCH events USING INDEX events_by_stream (stream_number=? AND revision>? AND revision<?)"]);
  });

  it("read a stream in the order of its index, both ways, without a sort", () => {
    for (const direction of ["forwards", "backwards"] as const) {
      assert.deepEqual(plan(streamPage(direction)), ["SEARCH events USING INDEX events_by_stream (stream_number=? AND revision>? AND revision<?)"]);
    }
  });

  it("read the log as a range of positions, whatever the filter, without a sort", () => {
    const byStream = { by: "stream", prefixes: ["session-", "approval-"] } as const;
    const byType = { by: "type", prefixes: ["Command"] } as const;
    for (const direction of ["forwards", "backwards"] as const) {
      for (const filter of [undefined, byStream, byType]) {
        assert.deepEqual(plan(logPage(direction, filter)), ["SEARCH events USING INTEGER PRIMARY KEY (rowid>? AND rowid<?)"]);
      }
    }
  });

  it("find the head of the log at the end of its tree", () => {
    assert.deepEqual(plan(LOG_HEAD), ["SCAN CONSTANT ROW", "SCALAR SUBQUERY 1", "SEARCH events", "SCALAR SUBQUERY 2", "SEARCH removed"]);
  });

  it("merge events and what is left of removed ones in the order of positions, without a sort", () => {
    const steps = plan(LOG_ENTRIES);
    assert.ok(steps.includes("MERGE (UNION ALL)"), steps.join(", "));
    assert.ok(!steps.some((step) => step.includes("TEMP B-TREE")), steps.join(", "));
  });
});
