import assert from "node:assert/strict";
import { readdirSync, readFileSync } from "node:fs";
import { describe, it } from "node:test";
import { isRecordStream } from "./record-streams.ts";

const goldenFolder = new URL("../../../test/fixtures/events/", import.meta.url);

describe("a stream of the record", () => {
  it("is known by its name, whatever event stands in it", () => {
    const goldens = readdirSync(goldenFolder).map((file) => JSON.parse(readFileSync(new URL(file, goldenFolder), "utf8")) as { readonly stream: string });
    assert.ok(goldens.length > 0);
    for (const { stream } of goldens) assert.ok(isRecordStream(stream), stream);
  });

  it("is not any other", () => {
    for (const other of ["orders-1", "session", "sessions-1", "$$session-1", "$stats-1", ""]) assert.ok(!isRecordStream(other), other);
  });
});
