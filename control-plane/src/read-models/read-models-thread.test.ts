import assert from "node:assert/strict";
import { randomUUID } from "node:crypto";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, it, type TestContext } from "node:test";
import { pino } from "pino";
import { newEvent } from "../application/new-event.ts";
import { opened, requested } from "../application/testing/samples.ts";
import { fails } from "../application/testing/stage.ts";
import { sessionStream } from "../domain/session/session.events.ts";
import type { Ledger } from "../ledger/ledger.ts";
import { openSqliteLedger } from "../ledger/sqlite/sqlite-ledger.ts";
import { ReadModelsThread } from "./read-models-thread.ts";

const context = { actor: { kind: "human", id: "ana" }, correlationId: "c" } as const;

async function addSession(ledger: Ledger): Promise<string> {
  const id = randomUUID();
  const events = [requested(id), opened(id)].map((event) => newEvent(randomUUID(), event, context, "2026-11-22T10:00:00.000Z"));
  await ledger.append(sessionStream(id), events, "none");
  return id;
}

async function place(t: TestContext): Promise<{ readonly ledger: Ledger; readonly start: () => ReadModelsThread }> {
  const folder = mkdtempSync(join(tmpdir(), "read-models-"));
  const ledgerFile = join(folder, "ledger.db");
  const ledger = await openSqliteLedger(ledgerFile);
  const started: ReadModelsThread[] = [];
  t.after(async () => {
    await Promise.all(started.map((models) => models.close()));
    await ledger.close();
    rmSync(folder, { recursive: true });
  });
  const settings = { ledger: { file: ledgerFile }, subjectKeys: join(folder, "subject-keys"), file: join(folder, "read-models.db"), logLevel: "silent" };
  return {
    ledger,
    start: () => {
      const models = new ReadModelsThread(settings, pino({ level: "silent" }));
      started.push(models);
      return models;
    },
  };
}

const ids = async (models: ReadModelsThread): Promise<readonly string[]> => (await models.sessions({ limit: 100 })).rows.map(({ id }) => id);

describe("the thread of the read models", () => {
  it("shows what this thread has just recorded, each time, also while many write", async (t) => {
    const { ledger, start } = await place(t);
    const models = start();
    const seen: string[] = [];
    for (let i = 0; i < 20; i++) {
      const added = await Promise.all(Array.from({ length: 3 }, () => addSession(ledger)));
      seen.push(...added);
      assert.deepEqual((await ids(models)).toSorted(), seen.toSorted());
    }
    const { state, lagMs, checkpoint } = await models.status();
    assert.deepEqual([state, lagMs, checkpoint.events], ["current", 0, 120]);
  });

  it("rebuilds with progress, and says so when it is asked twice", async (t) => {
    const { ledger, start } = await place(t);
    const added = await addSession(ledger);
    const models = start();
    assert.deepEqual(await ids(models), [added]);
    const signal = new AbortController().signal;
    const [first, second] = await Promise.allSettled([Array.fromAsync(models.rebuild(signal)), Array.fromAsync(models.rebuild(signal))]);
    assert.ok(first.status === "fulfilled" && second.status === "rejected");
    assert.deepEqual(first.value.at(-1), { events: 2, expected: 2, upTo: first.value.at(-1)?.upTo, done: true });
    assert.ok(fails("read_models.unavailable")(second.reason));
    assert.deepEqual(await ids(models), [added]);
  });

  it("passes errors on with their code, and refuses once it is closed", async (t) => {
    const { start } = await place(t);
    const models = start();
    await assert.rejects(models.commands({ words: "x", limit: Number.NaN }), fails("read_models.unavailable"));
    await models.close();
    await assert.rejects(models.status(), fails("read_models.unavailable"));
    await models.close();
  });
});
