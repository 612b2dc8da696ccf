import assert from "node:assert/strict";
import { randomUUID } from "node:crypto";
import { mkdtempSync, rmSync, symlinkSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, describe, it } from "node:test";
import { SallyportError } from "@sallyport/proto/errors";
import { openSqliteLedger } from "../../control-plane/src/ledger/sqlite/sqlite-ledger.ts";
import { collect, newEvents } from "../contract/ledger-probe.ts";
import { LedgerProcess } from "./ledger-process.ts";

describe("a ledger that is open elsewhere", () => {
  const folder = mkdtempSync(join(tmpdir(), "ledger-lock-"));
  after(() => rmSync(folder, { recursive: true }));
  const isHeld = (error: unknown): boolean => error instanceof SallyportError && error.code === "ledger.unavailable" && error.message.includes("already open");

  it("is refused while the other process lives, and opens when it was killed", async () => {
    const file = join(folder, "ledger.db");
    const child = LedgerProcess.ledger("obey", file);
    await child.until((lines) => lines.includes("ready"));
    const id = randomUUID();
    await child.ask(`a-1 none ${id}`);
    await assert.rejects(openSqliteLedger(file), isHeld);
    await assert.rejects(openSqliteLedger(file), isHeld);
    assert.match(await child.ask(`a-1 0 ${randomUUID()}`), /revision:1/, "a refused opening takes nothing from the one that holds it");
    await child.kill();
    const ledger = await openSqliteLedger(file);
    assert.equal((await collect(ledger.readStream("a-1"))).length, 2);
    await ledger.close();
  });

  it("is refused to a second opening in the same process, under another name too, and never loses its lock by it", async () => {
    const file = join(folder, "same.db");
    const ledger = await openSqliteLedger(file);
    symlinkSync(file, join(folder, "alias.db"));
    for (let i = 0; i < 3; i++) await assert.rejects(openSqliteLedger(i === 1 ? join(folder, "alias.db") : file), isHeld);
    const child = LedgerProcess.ledger("obey", file);
    await assert.rejects(
      child.until((lines) => lines.includes("ready")),
      /already open/,
    );
    await ledger.append("a-1", newEvents(1), "none");
    await ledger.close();
    const again = await openSqliteLedger(file);
    assert.equal((await collect(again.readAll())).length, 1);
    await again.close();
  });

  it("refuses everything once it is closed, keeps what was accepted before, and ends its subscriptions", async () => {
    const file = join(folder, "closed.db");
    const ledger = await openSqliteLedger(file);
    const stop = new AbortController();
    const following = collect(ledger.subscribeToAll({ signal: stop.signal }));
    const accepted = ledger.append("a-1", newEvents(3), "none");
    const closing = ledger.close();
    const isClosed = (error: unknown): boolean => error instanceof SallyportError && error.code === "ledger.unavailable";
    await assert.rejects(ledger.append("a-1", newEvents(1), 2n), isClosed);
    assert.equal((await accepted).revision, 2n);
    await assert.rejects(following, isClosed);
    await closing;
    await ledger.close();
    await assert.rejects(collect(ledger.readAll()), isClosed);
    const again = await openSqliteLedger(file);
    assert.equal((await collect(again.readAll())).length, 3);
    await again.close();
  });
});
