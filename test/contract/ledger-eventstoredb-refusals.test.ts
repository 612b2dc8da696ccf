import assert from "node:assert/strict";
import { existsSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { before, describe, it } from "node:test";
import { EventStoreDBClient, binaryEvent, jsonEvent } from "@eventstore/db-client";
import { SallyportError } from "@sallyport/proto/errors";
import { openEventStoreDbLedger } from "../../control-plane/src/ledger/eventstoredb/eventstoredb-ledger.ts";
import { openSqliteLedger } from "../../control-plane/src/ledger/sqlite/sqlite-ledger.ts";
import { testCertificate } from "../support/certificate.ts";
import { freePort } from "../support/free-port.ts";
import { LedgerServer } from "../support/ledger-server.ts";
import { TestProcess } from "../support/process.ts";
import { suiteCleanup } from "../support/suite-cleanup.ts";
import { tempDir } from "../support/temp-dir.ts";
import { category, collect, newEvent, newEvents } from "./ledger-probe.ts";

const PASSWORD = "hunter2hunter2";
const OPEN_MS = 1_000;

describe("the EventStoreDB adapter", () => {
  const cleanup = suiteCleanup();
  let server: LedgerServer;
  before(async () => {
    server = await LedgerServer.start(cleanup, { credentials: `gate:${PASSWORD}\n` });
  });

  const refuses = async (url: string, code: string, message: RegExp): Promise<void> => {
    await assert.rejects(openEventStoreDbLedger(url, { openDeadlineMs: OPEN_MS }), (error) => {
      assert.ok(error instanceof SallyportError);
      assert.equal(error.code, code);
      assert.match(error.message, message);
      assert.ok(!String(error.stack).includes(PASSWORD) && !JSON.stringify(error.details).includes(PASSWORD));
      return true;
    });
  };

  it("says what is wrong with where it is to connect: nobody there, another authority, no rights, a file that is missing", async () => {
    await refuses(`esdb://gate:${PASSWORD}@localhost:${await freePort()}`, "ledger.unavailable", /could not be reached within 1 s: connect ECONNREFUSED/u);
    await refuses(`esdb://gate:${PASSWORD}@nowhere.invalid:2113`, "ledger.unavailable", /could not be reached within 1 s: Name resolution failed.*nowhere/u);
    const other = await testCertificate(tempDir(cleanup, "other-ca"));
    await refuses(`esdb://gate:${PASSWORD}@localhost:${server.port}?tlsCAFile=${other.caFile}`, "ledger.unavailable", /certificate.*tlsCAFile is .*ca\.crt/u);
    await refuses(server.url("gate:guessed"), "ledger.unavailable", /refuses our credentials/u);
    await refuses(server.url(), "ledger.unavailable", /refuses our credentials/u);
    await refuses(
      `esdb://gate:${PASSWORD}@localhost:${server.port}?tlsCAFile=/no/such/file`,
      "config.invalid",
      /^\/no\/such\/file, the tlsCAFile.*cannot be read \(ENOENT\)/u,
    );
    await refuses(`esdb://gate:${PASSWORD}@localhost:${server.port}?nonsense=1`, "config.invalid", /unknown/u);
  });

  it("does not talk to a server whose certificate has expired, or whose name is another", async () => {
    const expired = await LedgerServer.start(cleanup, { certificateDays: -1 });
    await refuses(expired.url(), "ledger.unavailable", /certificate/u);
    await expired.kill("SIGTERM");
    await refuses(server.url(`gate:${PASSWORD}`).replace("localhost", "127.0.0.2"), "ledger.unavailable", /certificate|could not be reached/u);
  });

  it("does not wait for a certificate to become trusted, and says of everything else at once what is in the way", async () => {
    const other = await testCertificate(tempDir(cleanup, "another-ca"));
    const told: string[] = [];
    const attemptFailed = (attempt: number, reason: string): void => void told.push(`${attempt} ${reason}`);
    // With the patience of a start it would take half a minute.
    const opening = openEventStoreDbLedger(`esdb://gate:${PASSWORD}@localhost:${server.port}?tlsCAFile=${other.caFile}`, {
      attemptFailed,
      openDeadlineMs: 3_600_000,
    });
    await assert.rejects(opening, /certificate is not trusted/u);
    assert.equal(told.length, 0);
    await assert.rejects(openEventStoreDbLedger(`esdb://localhost:${await freePort()}?tls=false`, { attemptFailed, openDeadlineMs: OPEN_MS }));
    assert.match(told[0] ?? "", /^1 connect ECONNREFUSED/u);
    assert.deepEqual(
      told.map((each) => Number.parseInt(each, 10)),
      told.map((_, index) => 2 ** index),
    );
  });

  it("finds the node through a cluster's connection string", async () => {
    const ledger = await openEventStoreDbLedger(server.url(`gate:${PASSWORD}`).replace("esdb://", "esdb+discover://"));
    const { revision } = await ledger.append(`${category()}-1`, newEvents(2), "none");
    assert.equal(revision, 1n);
    await ledger.close();
  });

  it("reads what others wrote into a stream of ours in an envelope, as the embedded ledger does, and goes on behind it", async () => {
    const stream = `${category()}-1`;
    const ledger = await openEventStoreDbLedger(server.url(`gate:${PASSWORD}`));
    const [first, last] = [newEvent(), newEvent()];
    await ledger.append(stream, [first], "none");
    await ledger.close(); // one client at a time in a process
    const stranger = EventStoreDBClient.connectionString(server.url(`gate:${PASSWORD}`));
    const garbage = [
      binaryEvent({ type: "Blob", data: Uint8Array.from([0, 255]) }),
      jsonEvent({ type: "Text", data: "text" }),
      jsonEvent({ type: "NoMetadata", data: { a: 1 } }),
    ];
    await stranger.appendToStream(stream, garbage);
    await stranger.dispose();

    const again = await openEventStoreDbLedger(server.url(`gate:${PASSWORD}`));
    await again.append(stream, [last], 3n);
    const read = await collect(again.readStream(stream));
    await again.close();
    await server.kill("SIGTERM");
    const embedded = await openSqliteLedger(join(server.folder, "ledger.db"));
    assert.deepEqual(read, await collect(embedded.readStream(stream)));
    await embedded.close();
    await server.restart();
    assert.deepEqual(
      read.map(({ id }) => id),
      [first.id, ...garbage.map(({ id }) => id), last.id],
    );
  });

  it("answers for each of many appends that travelled together: revision and position as if each had gone alone", async () => {
    const stream = `${category()}-1`;
    const ledger = await openEventStoreDbLedger(server.url(`gate:${PASSWORD}`));
    const parts = Array.from({ length: 30 }, (_, i) => newEvents(1 + (i % 3)));
    let at = -1n;
    const answers = await Promise.all(
      parts.map((events) => {
        const expected = at < 0n ? ("none" as const) : at;
        at += BigInt(events.length);
        return ledger.append(stream, events, expected);
      }),
    );
    const stored = await collect(ledger.readStream(stream));
    assert.deepEqual(
      stored.map(({ id }) => id),
      parts.flat().map(({ id }) => id),
    );
    for (const { revision, position } of answers) assert.equal(stored[Number(revision)]?.position, position);

    // One in the middle does not fit any more: what was stored answers as a retry, it alone fails, and so do those behind it.
    const [one, two, three] = [newEvents(1), newEvents(1), newEvents(1)];
    await ledger.append(stream, one, at);
    const [ready, retried, fresh, late] = await Promise.allSettled([
      ledger.append(`${stream}-other`, newEvents(1), "none"),
      ledger.append(stream, one, at),
      ledger.append(stream, two, at + 1n),
      ledger.append(stream, three, at + 7n),
    ]);
    assert.deepEqual([ready.status, retried.status, fresh.status, late.status], ["fulfilled", "fulfilled", "fulfilled", "rejected"]);
    await ledger.close();
  });

  it("is refused a second time in one process while the first is open", async () => {
    const ledger = await openEventStoreDbLedger(server.url(`gate:${PASSWORD}`));
    await assert.rejects(openEventStoreDbLedger(server.url(`gate:${PASSWORD}`)), /already has/u);
    await ledger.close();
    await assert.rejects(ledger.append("a-1", newEvents(1), "none"), { code: "ledger.unavailable" });
    await assert.rejects(collect(ledger.readAll()), { code: "ledger.unavailable" });
  });
});

describe("the ledger's own server", () => {
  const cleanup = suiteCleanup();

  it("does not start with half a certificate, without a directory, or open to everybody", async () => {
    const folder = tempDir(cleanup, "ledger-args");
    const main = new URL("../../control-plane/src/ledger-main.ts", import.meta.url).pathname;
    const data = join(folder, "data");
    writeFileSync(join(folder, "nobody"), "# nobody\n");
    for (const args of [
      [],
      ["--data", data, "--tls-cert", "x.crt"],
      ["--data", data, "--port", "70000"],
      ["--data", data, "--host", "0.0.0.0"],
      ["--data", data, "--credentials", join(folder, "nobody")],
      ["--data", data, "--tls-cert", "/no/such", "--tls-key", "/no/such"],
      ["--data", data, "--unknown"],
    ]) {
      const run = TestProcess.node(cleanup, main, args, { env: { NODE_OPTIONS: "--disable-warning=ExperimentalWarning" } });
      assert.equal((await run.exited).status, 2, `${args.join(" ")}: ${run.stderr}`);
      assert.match(run.stderr, /config\.invalid/u);
    }
    assert.ok(!existsSync(data));
  });
});
