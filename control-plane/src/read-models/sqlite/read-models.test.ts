import assert from "node:assert/strict";
import { randomUUID } from "node:crypto";
import { copyFileSync, existsSync, mkdtempSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { describe, it, type TestContext } from "node:test";
import { pino } from "pino";
import { newEvent } from "../../application/new-event.ts";
import type { NameFilter, VisibleRows } from "../../application/projections/read-model-store.ts";
import { ReadModels } from "../../application/projections/read-models.ts";
import { isVisible } from "../../application/visible-sessions.ts";
import { systemScheduler } from "../../application/scheduler.ts";
import { authorized, completed, human, opened, requested } from "../../application/testing/samples.ts";
import { fails, until } from "../../application/testing/stage.ts";
import { UnreliableLedger } from "../../application/testing/unreliable-ledger.ts";
import { sessionStream } from "../../domain/session/session.events.ts";
import type { Ledger } from "../../ledger/ledger.ts";
import { openSqliteLedger } from "../../ledger/sqlite/sqlite-ledger.ts";
import { sqliteReadModels } from "./sqlite-read-models.ts";

const context = { actor: { kind: "human", id: "ana" }, correlationId: "c" } as const;

interface Place {
  readonly folder: string;
  readonly file: string;
  readonly ledger: Ledger;
}

async function place(t: TestContext, name = "ledger.db", folder = mkdtempSync(join(tmpdir(), "read-models-"))): Promise<Place> {
  const ledger = await openSqliteLedger(join(folder, name));
  t.after(async () => {
    await ledger.close();
    rmSync(folder, { recursive: true, force: true });
  });
  return { folder, ledger, file: join(folder, "read-models.db") };
}

/** Hooks run in the order of their registration: this one must close before its ledger does, so tests end with it. */
async function using<T>({ ledger, file }: Pick<Place, "ledger" | "file">, run: (models: ReadModels) => Promise<T>): Promise<T> {
  const models = new ReadModels({ ledger, stores: sqliteReadModels(file), scheduler: systemScheduler, log: pino({ level: "silent" }) });
  try {
    await until("the read models are open", async () => (await models.status()).state !== "down");
    return await run(models);
  } finally {
    await models.close();
  }
}

async function addSession(ledger: Ledger, statement = "select 1", identity = "ana", resource = "orders"): Promise<string> {
  const id = randomUUID();
  const asked = requested(id, human(identity), "0123456789abcdef", "one", resource);
  const events = [asked, opened(id), authorized(1, statement), completed(1)].map((event) => newEvent(randomUUID(), event, context, "2026-11-22T10:00:00.000Z"));
  await ledger.append(sessionStream(id), events, "none");
  return id;
}

const listed = async (models: ReadModels): Promise<readonly string[]> => (await models.sessions({ limit: 100 })).rows.map(({ id }) => id);

describe("read models", () => {
  it("show what was recorded just before, newest first, and again after a restart", async (t) => {
    const at = await place(t);
    const first = await addSession(at.ledger);
    const ids = await using(at, async (models) => {
      const second = await addSession(at.ledger, "drop table parcels");
      assert.deepEqual(await listed(models), [second, first]);
      const { rows } = await models.commands({ words: "parcels drop", limit: 10 });
      assert.deepEqual(
        rows.map(({ session, command, state, identity }) => [session, command, state, identity]),
        [[second, 1, "succeeded", "ana"]],
      );
      return [second, first];
    });
    const third = await addSession(at.ledger);
    assert.deepEqual(await using(at, listed), [third, ...ids]);
  });

  it("go through a list page by page, each once", async (t) => {
    const at = await place(t);
    const ids: string[] = [];
    for (let i = 0; i < 7; i++) ids.unshift(await addSession(at.ledger));
    await using(at, async (models) => {
      const seen: string[] = [];
      let cursor: bigint | undefined;
      do {
        const { rows, next } = await models.sessions({ limit: 3, ...(cursor === undefined ? {} : { cursor }) });
        seen.push(...rows.map(({ id }) => id));
        cursor = next;
        await addSession(at.ledger); // what comes meanwhile moves nothing
      } while (cursor !== undefined);
      assert.deepEqual(seen, ids);
    });
  });

  it("show whoever asks of their own and of others' what is on the resources that they may see", async (t) => {
    const at = await place(t);
    const all: { readonly id: string; readonly identity: string; readonly resource: string }[] = [];
    for (const identity of ["ana", "bo"])
      for (const resource of ["orders", "stock", "o'brien"])
        all.unshift({ id: await addSession(at.ledger, "select 1", identity, resource), identity, resource });
    const filters: readonly NameFilter[] = [
      { only: true, names: [] },
      { only: false, names: [] },
      { only: true, names: ["stock", "o'brien"] },
      { only: false, names: ["stock"] },
    ];
    await using(at, async (models) => {
      for (const own of filters)
        for (const others of filters) {
          const visible: VisibleRows = { identity: "ana", own, others };
          const expected = all.filter((row) => isVisible(visible, row)).map(({ id }) => id);
          const what = JSON.stringify(visible);
          assert.deepEqual(
            (await models.sessions({ limit: 100, visible })).rows.map(({ id }) => id),
            expected,
            what,
          );
          assert.deepEqual(
            (await models.commands({ words: "select", limit: 100, visible })).rows.map(({ session }) => session),
            expected,
            what,
          );
        }
      assert.equal((await models.sessions({ limit: 100 })).rows.length, all.length);
    });
  });

  it("are begun anew when their file is damaged, of another version, or gone, and are readable by their owner only", async (t) => {
    const at = await place(t);
    const id = await addSession(at.ledger);
    assert.deepEqual(await using(at, listed), [id]);
    for (const damage of [
      () => writeFileSync(at.file, "not a database, but long enough to be looked at as one".repeat(100)),
      () => {
        const db = new DatabaseSync(at.file);
        db.exec("PRAGMA user_version = 999");
        db.close();
      },
      () => rmSync(at.file),
    ]) {
      damage();
      assert.deepEqual(await using(at, listed), [id]);
      assert.equal(statSync(at.file).mode & 0o777, 0o600);
    }
  });

  it("are begun anew when the ledger is another one, or an earlier copy of itself", async (t) => {
    const at = await place(t);
    const first = await addSession(at.ledger);
    await at.ledger.close();
    copyFileSync(join(at.folder, "ledger.db"), join(at.folder, "copy.db"));
    const whole = await place(t, "ledger.db", at.folder);
    const second = await addSession(whole.ledger);
    assert.deepEqual(await using(whole, listed), [second, first]);
    const restored = await place(t, "copy.db", at.folder);
    assert.deepEqual(await using(restored, listed), [first]);
    const third = await addSession(restored.ledger);
    assert.deepEqual(await using(restored, listed), [third, first]);
    assert.deepEqual(await using(whole, listed), [second, first], "another event is at the place where they stopped");
  });

  it("answer while they are rebuilt, tell how far that is, and say the same afterwards", async (t) => {
    const at = await place(t);
    for (let i = 0; i < 300; i++) await addSession(at.ledger);
    await using(at, async (models) => {
      const before = await listed(models);
      const told: boolean[] = [];
      for await (const { done, events, expected } of models.rebuild(new AbortController().signal)) {
        told.push(done);
        assert.ok(events <= expected);
        assert.deepEqual(await listed(models).catch(() => before), before);
        if (told.length === 1) await assert.rejects(models.rebuild(new AbortController().signal).next(), fails("read_models.unavailable"));
      }
      assert.equal(told.at(-1), true);
      await until("the rebuilt ones are in use", async () => (await models.status()).state === "current");
      assert.deepEqual(await listed(models), before);
      assert.ok(!existsSync(`${at.file}.rebuild`));
      const late = await addSession(at.ledger);
      assert.equal((await listed(models))[0], late);
    });
  });

  it("are begun anew by a release that knows other events, when they left some out, and only then", async (t) => {
    const at = await place(t);
    const openedBy = async (catalogue: string): Promise<number> => {
      const db = new DatabaseSync(at.file);
      db.prepare("UPDATE checkpoint SET catalogue = ?").run(catalogue);
      db.close();
      return using(at, async (models) => {
        await listed(models);
        return (await models.status()).checkpoint.events;
      });
    };
    await using(at, async (models) => void (await listed(models)));
    const marked = new DatabaseSync(at.file);
    marked.exec("UPDATE checkpoint SET events = 1000");
    marked.close();
    assert.equal(await openedBy("another release's"), 1_000);
    const unheard = newEvent(randomUUID(), { type: "Unheard", data: {} } as never, context, "2026-11-22T10:00:00.000Z");
    await at.ledger.append("agent-odd", [{ ...unheard, metadata: { ...unheard.metadata, schemaVersion: 1 } }], "none");
    await using(at, async (models) => void (await listed(models)));
    assert.equal(await openedBy("another release's"), 1);
  });

  it("belong to whichever release left some out, and not to the one that began them", async (t) => {
    const at = await place(t);
    const began = (catalogue?: string): unknown => {
      const db = new DatabaseSync(at.file);
      if (catalogue !== undefined) db.prepare("UPDATE checkpoint SET catalogue = ?").run(catalogue);
      const { catalogue: found } = db.prepare("SELECT catalogue FROM checkpoint").get() ?? {};
      db.close();
      return found;
    };
    await using(at, async (models) => void (await listed(models)));
    const ours = began();
    began("the later release's");
    const unheard = newEvent(randomUUID(), { type: "Unheard", data: {} } as never, context, "2026-11-22T10:00:00.000Z");
    await at.ledger.append("agent-odd", [{ ...unheard, metadata: { ...unheard.metadata, schemaVersion: 1 } }], "none");
    await using(at, async (models) => {
      await listed(models);
      assert.equal(models.leftOut, 1);
    });
    assert.equal(began(), ours);
  });

  it("go on without what they cannot read, say how much that is, and take up a subscription that was cut", async (t) => {
    const at = await place(t);
    const ledger = new UnreliableLedger(at.ledger);
    await using({ ...at, ledger }, async (models) => {
      const first = await addSession(ledger);
      assert.deepEqual(await listed(models), [first]);
      const unheard = newEvent(randomUUID(), { type: "Unheard", data: {} } as never, context, "2026-11-22T10:00:00.000Z");
      await at.ledger.append("agent-odd", [{ ...unheard, metadata: { ...unheard.metadata, schemaVersion: 1 } }], "none");
      assert.deepEqual(await listed(models), [first]);
      const { unreadable, later } = (await models.status()).checkpoint;
      assert.deepEqual([unreadable, later, models.leftOut], [1, 1, 1]);
      ledger.cutSubscriptions();
      const second = await addSession(ledger);
      assert.deepEqual(await listed(models), [second, first]);
      assert.equal((await models.status()).checkpoint.events, 9);
    });
  });

  it("answer those who ask before they are open", async (t) => {
    const at = await place(t);
    const id = await addSession(at.ledger);
    const models = new ReadModels({ ledger: at.ledger, stores: sqliteReadModels(at.file), scheduler: systemScheduler, log: pino({ level: "silent" }) });
    assert.deepEqual(await listed(models), [id]);
    await models.close();
    await assert.rejects(listed(models), fails("read_models.unavailable"));
  });
});
