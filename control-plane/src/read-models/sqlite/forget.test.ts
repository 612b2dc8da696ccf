import assert from "node:assert/strict";
import { randomUUID } from "node:crypto";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, it, type TestContext } from "node:test";
import { pino } from "pino";
import { newEvent } from "../../application/new-event.ts";
import { headOf, ProjectionRun } from "../../application/projections/projection-run.ts";
import { systemScheduler } from "../../application/scheduler.ts";
import { human, requested } from "../../application/testing/samples.ts";
import { admin } from "../../application/testing/stage.ts";
import type { DomainEvent } from "../../domain/events.ts";
import { openSqliteLedger } from "../../ledger/sqlite/sqlite-ledger.ts";
import { openedLog, sealedLedger } from "../../sealing/sealed-ledger.ts";
import { forgottenSince, openSealing } from "../../sealing/sealing.ts";
import { sqliteReadModels } from "./sqlite-read-models.ts";

const NAME = "zebulon.quartz";
const PATIENCE_MS = 10_000;
const log = pino({ level: "silent" });

interface Fed {
  readonly run: ProjectionRun;
  readonly failed: Promise<unknown>;
  readonly path: string;
}

/** As the thread has it: a writer of keys elsewhere, and a reader that may be behind it. */
async function world(t: TestContext) {
  const folder = mkdtempSync(join(tmpdir(), "sallyport-forget-"));
  const stored = await openSqliteLedger(join(folder, "ledger.db"));
  const [writer, reader] = [openSealing(join(folder, "subject-keys")), openSealing(join(folder, "subject-keys"))];
  const ledger = sealedLedger(stored, writer.sealer);
  const opened = openedLog(stored, reader.sealer);
  const forgotten = forgottenSince(reader.keys);
  const closing: (() => Promise<void>)[] = [];
  t.after(async () => {
    for (const close of closing) await close();
    await stored.close();
    rmSync(folder, { recursive: true });
  });
  return {
    writer,
    append: (stream: string, event: DomainEvent) => ledger.append(stream, [newEvent(randomUUID(), event, admin, "2026-11-22T10:00:00.000Z")], "none"),
    async feed(name: string): Promise<Fed> {
      const path = join(folder, name);
      const store = await sqliteReadModels(path).open();
      const { promise, resolve } = Promise.withResolvers<unknown>();
      const run = new ProjectionRun({ ledger: opened, store, scheduler: systemScheduler, log, failed: resolve, forgotten });
      closing.push(async () => {
        await run.close();
        await store.close();
      });
      return { run, failed: promise, path };
    },
    async caughtUp({ run }: Fed): Promise<void> {
      const head = await headOf(opened);
      assert.ok(head !== undefined && (await run.reached(head.position, PATIENCE_MS)));
    },
  };
}

const bytesOf = (path: string): string => readFileSync(path, "latin1") + readFileSync(`${path}-wal`, "latin1");

describe("read models, when somebody is forgotten", () => {
  it("are of no more use if they were begun with the key, whichever of them hears of it first; those begun after it know no name", async (t) => {
    const { writer, append, feed, caughtUp } = await world(t);
    const sessionId = randomUUID();
    await append(`session-${sessionId}`, requested(sessionId, human(NAME)));
    // One in use, and one that is made anew to take its place.
    const both = [await feed("in-use.db"), await feed("draft.db")];
    for (const each of both) {
      await caughtUp(each);
      assert.ok(bytesOf(each.path).includes(NAME));
    }
    const subject = writer.keys.find(NAME)?.subject ?? "";
    writer.keys.destroy(subject);
    const erasureId = randomUUID();
    await append(`erasure-${erasureId}`, { type: "SubjectKeyDestroyed", data: { erasureId, subject } });
    for (const { failed } of both) assert.match(String(await failed), /somebody was forgotten/u);
    const after = await feed("after.db");
    await caughtUp(after);
    assert.ok(!bytesOf(after.path).includes(NAME) && bytesOf(after.path).includes(`forgotten-${subject}`));
  });

  it("are begun anew when they were made by an earlier process, which may have known the name", async (t) => {
    const { writer, append, feed, caughtUp } = await world(t);
    const sessionId = randomUUID();
    await append(`session-${sessionId}`, requested(sessionId, human(NAME)));
    const first = await feed("models.db");
    await caughtUp(first);
    await first.run.close();
    const subject = writer.keys.find(NAME)?.subject ?? "";
    writer.keys.destroy(subject);
    const again = await feed("models.db");
    const erasureId = randomUUID();
    await append(`erasure-${erasureId}`, { type: "SubjectKeyDestroyed", data: { erasureId, subject } });
    assert.match(String(await again.failed), /somebody was forgotten/u);
  });
});
