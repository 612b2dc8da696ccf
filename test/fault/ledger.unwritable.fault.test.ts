import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { randomUUID } from "node:crypto";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, describe, it } from "node:test";
import { promisify } from "node:util";
import { SallyportError } from "@sallyport/proto/errors";
import { quickCheck } from "../../control-plane/src/ledger/sqlite/ledger-file.ts";
import { openSqliteLedger } from "../../control-plane/src/ledger/sqlite/sqlite-ledger.ts";
import { collect, newEvents, SubscriptionProbe } from "../contract/ledger-probe.ts";
import { LedgerProcess } from "./ledger-process.ts";

/** The writer waits 1,000 ms for a locked file: an event loop that waited with it would stand still for as long. */
const STALLED_MS = 500;

describe("a ledger that cannot be written", () => {
  const folder = mkdtempSync(join(tmpdir(), "ledger-unwritable-"));
  after(() => rmSync(folder, { recursive: true }));

  it("refuses appends while another process holds the file, goes on reading, and appends once the file is free", async () => {
    const file = join(folder, "locked.db");
    const ledger = await openSqliteLedger(file);
    const first = newEvents(1);
    await ledger.append("a-1", first, "none");
    const probe = new SubscriptionProbe(ledger, {});
    await probe.caughtUp();
    const holder = new LedgerProcess([
      "-e",
      `const { DatabaseSync } = require("node:sqlite");
       const db = new DatabaseSync(${JSON.stringify(file)});
       db.exec("BEGIN EXCLUSIVE");
       console.log("held");
       process.stdin.once("data", () => { db.close(); console.log("free"); });`,
    ]);
    await holder.until((lines) => lines.includes("held"));

    let gap = 0;
    let last = performance.now();
    const pulse = setInterval(() => {
      gap = Math.max(gap, performance.now() - last);
      last = performance.now();
    }, 5);
    const blocked = Array.from({ length: 5 }, (_, i) => ({ stream: `b-${i}`, events: newEvents(2) }));
    const settled = await Promise.allSettled(blocked.map(({ stream, events }) => ledger.append(stream, events, "none")));
    clearInterval(pulse);
    for (const result of settled) {
      assert.ok(result.status === "rejected" && result.reason instanceof SallyportError);
      assert.equal(result.reason.code, "ledger.unavailable");
      assert.match(String(result.reason.cause), /locked/);
    }
    assert.ok(gap < STALLED_MS, `the event loop stood still for ${gap} ms`);
    assert.deepEqual(
      (await collect(ledger.readAll())).map(({ id }) => id),
      first.map(({ id }) => id),
    );

    assert.equal(await holder.ask("go"), "free");
    await holder.kill("SIGTERM");
    const appended = await Promise.all(blocked.map(({ stream, events }) => ledger.append(stream, events, "none")));
    await probe.reached(appended.at(-1)?.position ?? 0n);
    assert.deepEqual(
      probe.ids,
      [...first, ...blocked.flatMap(({ events }) => events)].map(({ id }) => id),
    );
    await probe.stop();
    await ledger.close();
    assert.deepEqual(quickCheck(file), []);
  });

  it("refuses appends while the file may not grow, and appends once it may; nothing is half-written", async () => {
    const file = join(folder, "full.db");
    const child = LedgerProcess.ledger("obey", file);
    await child.until((lines) => lines.includes("ready"));
    const limit = (soft: string): Promise<unknown> => promisify(execFile)("prlimit", [`--pid=${child.pid}`, `--fsize=${soft}:`]);
    const ids = Array.from({ length: 5 }, () => randomUUID());
    const outcome = async (expected: string, id: string | undefined): Promise<string | undefined> => {
      const [, answer, gap] = (await child.ask(`a-1 ${expected} ${id}`)).split(" ");
      assert.ok(Number(gap) < STALLED_MS, `the event loop stood still for ${gap} ms`);
      return answer;
    };
    assert.equal(await outcome("none", ids[0]), "revision:0");
    await limit("1024");
    assert.equal(await outcome("0", ids[1]), "ledger.unavailable");
    assert.equal(await outcome("0", ids[2]), "ledger.unavailable");
    await limit("unlimited");
    assert.equal(await outcome("0", ids[1]), "revision:1");
    assert.equal(await outcome("0", ids[1]), "revision:1", "a retry of what was refused and then stored finds it");
    await limit("1024");
    assert.equal(await outcome("1", ids[3]), "ledger.unavailable");
    await child.kill();

    const ledger = await openSqliteLedger(file);
    assert.deepEqual(
      (await collect(ledger.readStream("a-1"))).map(({ id }) => id),
      ids.slice(0, 2),
    );
    await ledger.close();
    assert.deepEqual(quickCheck(file), []);
  });
});
