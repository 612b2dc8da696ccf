import assert from "node:assert/strict";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, describe, it } from "node:test";
import { storedForm } from "../foreign-event.ts";
import type { Ledger, RecordedEvent } from "../ledger.ts";
import { openSqliteLedger } from "../sqlite/sqlite-ledger.ts";
import { isExpired, metastreamOf, parseRules, SOFT_DELETED_JSON, viewStream } from "./stream-view.ts";

describe("what a stream's metadata says", () => {
  it("counts where it is well formed, and nowhere else", () => {
    const nothing = parseRules("{}");
    for (const text of ["", "null", "[]", "7", "{", '{"$maxCount":-1,"$maxAge":1.5,"$tb":"3"}', '{"$maxCount":0,"$maxAge":0}'])
      assert.deepEqual(parseRules(text), nothing);
    assert.deepEqual(parseRules('{"$tb":3,"$maxCount":2,"$maxAge":10,"$acl":{}}'), {
      truncateBefore: 3n,
      softDeleted: false,
      maxCount: 2n,
      maxAgeMillis: 10_000,
    });
    assert.equal(parseRules(SOFT_DELETED_JSON).softDeleted, true, "though no number of JavaScript is 2^63 - 1");
  });

  it("hides an event once it is older than it may be", () => {
    const rules = parseRules('{"$maxAge":10}');
    const event = { recordedAt: new Date(100_000) } as RecordedEvent;
    assert.deepEqual([isExpired(event, rules, 110_000), isExpired(event, rules, 110_001), isExpired(event, parseRules("{}"), 1e15)], [false, true, false]);
  });
});

describe("the view of a stream", () => {
  const folder = mkdtempSync(join(tmpdir(), "view-"));
  let ledger: Ledger;
  before(async () => {
    ledger = await openSqliteLedger(join(folder, "ledger.db"));
  });
  after(async () => {
    await ledger.close();
    rmSync(folder, { recursive: true });
  });

  const event = (type: string, text: string) => ({
    id: crypto.randomUUID(),
    type,
    ...storedForm({ contentType: "application/json", data: Buffer.from(text), metadata: Buffer.alloc(0) }),
  });

  it("follows its last event and its metadata: absent, present, cut short, hidden, closed", async () => {
    const kind = async (): Promise<unknown> => {
      const view = await viewStream(ledger, "a-1");
      return view.kind === "present" ? view.truncatedBefore : view.kind;
    };
    const meta = metastreamOf("a-1");
    assert.equal(await kind(), "absent");
    await ledger.append("a-1", [event("A", "{}"), event("A", "{}"), event("A", "{}")], "none");
    assert.equal(await kind(), 0n);
    await ledger.append(meta, [event("$metadata", '{"$maxCount":1,"$tb":1}')], "none");
    assert.equal(await kind(), 2n, "the stricter of two rules");
    await ledger.append(meta, [event("$metadata", SOFT_DELETED_JSON)], 0n);
    assert.equal(await kind(), "softDeleted");
    assert.equal((await viewStream(ledger, meta)).kind, "present");
    await ledger.append("a-1", [event("$streamDeleted", "{}")], 2n);
    assert.equal(await kind(), "tombstoned");
  });
});
