import assert from "node:assert/strict";
import { randomInt } from "node:crypto";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, describe, it } from "node:test";
import { quickCheck } from "../../control-plane/src/ledger/sqlite/ledger-file.ts";
import { openSqliteLedger } from "../../control-plane/src/ledger/sqlite/sqlite-ledger.ts";
import { LedgerProcess } from "./ledger-process.ts";

const ROUNDS = 10;

describe("a ledger whose process is killed under load", () => {
  const folder = mkdtempSync(join(tmpdir(), "ledger-kill-"));
  const file = join(folder, "ledger.db");
  after(() => rmSync(folder, { recursive: true }));

  it(`holds every acknowledged event, in order and once, after each of ${ROUNDS} kills`, async (t) => {
    const acknowledged = new Map<string, string[]>();
    let unacknowledged = 0;
    for (let round = 0; round < ROUNDS; round++) {
      const child = LedgerProcess.ledger("load", file);
      const enough = randomInt(1, 3_000);
      await child.until(({ length }) => length >= enough);
      await child.kill();
      for (const line of child.lines) {
        const [word, stream, id] = line.split(" ");
        if (word !== "acked" || stream === undefined || id?.length !== 36) continue; // the kill may cut the last line
        acknowledged.set(stream, [...(acknowledged.get(stream) ?? []), id]);
      }

      const ledger = await openSqliteLedger(file);
      const stored = new Map<string, string[]>();
      const seen = new Set<string>();
      for await (const { stream, id, revision } of ledger.readAll()) {
        assert.ok(!seen.has(id), "no event is stored twice");
        seen.add(id);
        const ids = stored.get(stream) ?? [];
        assert.equal(revision, BigInt(ids.length));
        ids.push(id);
        stored.set(stream, ids);
      }
      await ledger.close();
      assert.deepEqual(quickCheck(file), []);
      for (const [stream, ids] of acknowledged) assert.deepEqual(stored.get(stream)?.slice(0, ids.length), ids);
      for (const ids of stored.values()) assert.equal(ids.length % 3, 0, "no append is stored in part");
      unacknowledged = seen.size - [...acknowledged.values()].reduce((sum, ids) => sum + ids.length, 0);
    }
    t.diagnostic(`${[...acknowledged.values()].flat().length} events acknowledged, ${unacknowledged} more stored`);
  });
});
