import assert from "node:assert/strict";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { describe, it } from "node:test";
import fc from "fast-check";
import { pino } from "pino";
import { SallyportError } from "@sallyport/proto/errors";
import { evolveView } from "../../application/approval-view.ts";
import { headOf, ProjectionRun } from "../../application/projections/projection-run.ts";
import type { Batch, ReadModelStore } from "../../application/projections/read-model-store.ts";
import { evolveGrant } from "../../application/grant-view.ts";
import type { ApprovalView } from "../../application/approval-ports.ts";
import type { GrantView } from "../../application/grant-ports.ts";
import { systemScheduler } from "../../application/scheduler.ts";
import { createSessions } from "../../application/sessions.ts";
import * as agent from "../../domain/agent/agent.decider.ts";
import type { AgentEvent } from "../../domain/agent/agent.events.ts";
import type { ApprovalEvent } from "../../domain/approval/approval.events.ts";
import { isEventType, upcast } from "../../domain/catalogue.ts";
import type { GrantEvent } from "../../domain/grant/grant.events.ts";
import * as identity from "../../domain/identity/identity.decider.ts";
import type { IdentityEvent } from "../../domain/identity/identity.events.ts";
import type { Ledger } from "../../ledger/ledger.ts";
import { openSqliteLedger } from "../../ledger/sqlite/sqlite-ledger.ts";
import { HistoryWriter, type Move } from "./history.fixture.ts";
import { ReadModelFile } from "./read-model-file.ts";
import { readModels } from "./schema.ts";

const log = pino({ level: "silent" });
const PATIENCE_MS = 20_000;

type Crash = "before" | "within" | "after" | undefined;

/** In this thread, so that a test can end it between any two steps. */
function storeOn(path: string, crashes: Iterator<Crash>): ReadModelStore {
  const file = new ReadModelFile(path);
  return {
    opened: file.checkpoint,
    async apply(batch: Batch) {
      const crash = crashes.next().value as Crash;
      if (crash === "before") throw death();
      // A change that the file cannot take, as the last one: everything before it was written when it fails.
      if (crash === "within") file.apply({ ...batch, changes: [...batch.changes, ["sessionOpened", "x", 0, {} as never]] });
      file.apply(batch);
      if (crash === "after") throw death();
    },
    sessions: (query) => Promise.resolve(file.sessions(query)),
    commands: (query) => Promise.resolve(file.commands(query)),
    counts: () => Promise.resolve(file.counts()),
    close: () => Promise.resolve(file.close()),
  };
}

const death = (): SallyportError => new SallyportError("read_models.unavailable", "It died.");

interface Follower {
  /** Everything that is in the ledger is in the store when it resolves; it begins again after each crash, as its owner does. */
  catchUp(): Promise<void>;
  /** Answers how often it died. */
  end(): Promise<number>;
}

function follow(ledger: Ledger, path: string, crashes: Iterator<Crash>): Follower {
  let died = 0;
  let failed = Promise.withResolvers<void>();
  let store: ReadModelStore;
  const start = (): ProjectionRun => {
    failed = Promise.withResolvers();
    store = storeOn(path, crashes);
    return new ProjectionRun({ ledger, store, scheduler: systemScheduler, log, failed: () => failed.resolve() });
  };
  const stop = async (): Promise<void> => {
    await run.close();
    await store.close();
  };
  let run = start();
  const catchUp = async (): Promise<void> => {
    for (;;) {
      const head = await headOf(ledger);
      if (head === undefined || (await run.reached(head.position, PATIENCE_MS))) return;
      await stop();
      assert.ok(run.failure, "it neither caught up nor failed");
      died += 1;
      run = start();
    }
  };
  return {
    catchUp,
    async end() {
      await catchUp();
      await stop();
      return died;
    },
  };
}

/** Every row of every table, in the order of their keys. */
function dump(path: string): Readonly<Record<string, unknown>> {
  const db = new DatabaseSync(path);
  try {
    db.exec("INSERT INTO command_text (command_text, rank) VALUES ('integrity-check', 1)");
    const tables = Object.fromEntries(readModels.map((name) => [name, db.prepare(`SELECT * FROM ${name} ORDER BY 1`).all()]));
    return { ...tables, checkpoint: db.prepare("SELECT event_position, event_id, unreadable FROM checkpoint").get() };
  } finally {
    db.close();
  }
}

/** That the histories had. */
const grantStates = new Set<string>();

const move: fc.Arbitrary<Move> = fc.tuple(fc.nat(1_000), fc.nat(1_000), fc.nat(1_000));
const crash = fc.constantFrom<Crash>("before", "within", "after", undefined, undefined);

async function inFolder(run: (folder: string) => Promise<void>): Promise<void> {
  const folder = mkdtempSync(join(tmpdir(), "read-models-"));
  try {
    await run(folder);
  } finally {
    rmSync(folder, { recursive: true });
  }
}

describe("read models that are made anew", () => {
  it("equal those that were built live, whatever happened, whatever was removed, and wherever they crashed", async () => {
    let crashesSeen = 0;
    let removed = 0;
    await fc.assert(
      fc.asyncProperty(fc.array(move, { minLength: 100, maxLength: 600 }), fc.array(crash, { maxLength: 40 }), async (moves, crashes) => {
        await inFolder(async (folder) => {
          const ledger = await openSqliteLedger(join(folder, "ledger.db"));
          try {
            const live = follow(ledger, join(folder, "live.db"), crashes.values());
            const history = new HistoryWriter(ledger);
            for (const [i, each] of moves.entries()) {
              await history.play(each);
              // Many batches, so that there are many places to crash between.
              if (i % 25 === 0) await live.catchUp();
            }
            crashesSeen += await live.end();
            removed += history.removed;
            await follow(ledger, join(folder, "anew.db"), [].values()).end();
            assert.deepEqual(dump(join(folder, "live.db")), dump(join(folder, "anew.db")));
            await agreesWithFolds(ledger, join(folder, "anew.db"));
          } finally {
            await ledger.close();
          }
        });
      }),
      { numRuns: 20, endOnFailure: true }, // each run is a ledger; shrinking one takes minutes and finds little
    );
    assert.ok(grantStates.size > 4, `only grants that are ${[...grantStates].join()}`);
    assert.ok(crashesSeen > 10, `only ${String(crashesSeen)} crashes`);
    assert.ok(removed > 10, `only ${String(removed)} streams were removed`);
  });

  it("are not written twice by a batch that was written already, nor with a gap", async () => {
    await inFolder(async (folder) => {
      const file = new ReadModelFile(join(folder, "models.db"));
      const checkpoint = { position: 7n, lastEvent: undefined, events: 1, unreadable: 0, later: 0 };
      file.apply({ after: undefined, changes: [["agentInvited", "a", "edge", "2026"]], checkpoint });
      assert.throws(() => file.apply({ after: undefined, changes: [["agentInvited", "b", "edge", "2026"]], checkpoint }), /begins after undefined/);
      assert.throws(() => file.apply({ after: 9n, changes: [], checkpoint }), /begins after 9/);
      assert.equal(file.counts()["agents"], 1);
      file.close();
      await Promise.resolve();
    });
  });
});

/** What the lists say is what the deciders' folds, and the views that decisions are taken on, say. */
async function agreesWithFolds(ledger: Ledger, path: string): Promise<void> {
  const agents = new Map<string, agent.AgentState>();
  const identities = new Map<string, identity.IdentityState>();
  const approvals = new Map<string, ApprovalView | undefined>();
  const grants = new Map<string, GrantView | undefined>();
  for await (const recorded of ledger.readAll()) {
    const { stream, type, metadata } = recorded;
    if (!isEventType(type) || stream.endsWith("-odd")) continue;
    const event = upcast(recorded);
    if (stream.startsWith("agent-")) agents.set(stream, agent.evolve(agents.get(stream) ?? agent.initialState, event as AgentEvent));
    if (stream.startsWith("identity-")) identities.set(stream, identity.evolve(identities.get(stream) ?? identity.initialState, event as IdentityEvent));
    if (stream.startsWith("grant-")) grants.set(stream, evolveGrant(grants.get(stream), event as GrantEvent, metadata.at));
    if (stream.startsWith("approval-")) approvals.set(stream, evolveView(approvals.get(stream), event as ApprovalEvent, metadata.at));
  }
  const db = new DatabaseSync(path, { readOnly: true });
  try {
    const rows = (sql: string): unknown[] =>
      db
        .prepare(sql)
        .all()
        .map((row) => Object.values(row));
    assert.deepEqual(
      rows("SELECT id, status, connected, certificate_not_after FROM agents ORDER BY id"),
      sorted([...agents.values()].map((state) => [state.agentId, state.status, state.connected ? 1 : 0, state.certificateNotAfter])),
    );
    assert.deepEqual(
      rows("SELECT id, status, groups FROM identities ORDER BY id"),
      sorted([...identities.values()].map((state) => [state.identityId, state.status, JSON.stringify(state.groups)])),
    );
    assert.deepEqual(
      rows("SELECT id, state, approvers, decided_by, comment FROM approvals ORDER BY id"),
      sorted([...approvals.values()].map((view) => [view?.id, view?.state, JSON.stringify(view?.approvers), view?.decidedBy, view?.comment])),
    );
    assert.deepEqual(
      rows("SELECT id, state, requested_by, on_behalf_of, approvers, decided_by, comment, starts_at, ends_at, uses FROM grants ORDER BY id"),
      sorted(
        [...grants.values()].map((view) => [
          view?.id,
          view?.state,
          view?.requestedBy,
          view?.onBehalfOf,
          JSON.stringify(view?.approvers),
          view?.decidedBy,
          view?.comment,
          view?.startsAt?.toISOString() ?? "",
          view?.endsAt?.toISOString() ?? "",
          view?.uses,
        ]),
      ),
    );
    for (const view of grants.values()) grantStates.add(view?.state ?? "");
    const file = new ReadModelFile(path);
    const listed = file.sessions({ limit: 500 }).rows.map((row) => [row.id, row.state, row.identity, row.startedAt, row.endedAt]);
    file.close();
    const scanned = await createSessions(ledger).list(500);
    assert.deepEqual(
      listed,
      scanned.map((each) => [each.id, each.state, each.identity, each.startedAt.toISOString(), each.endedAt?.toISOString() ?? ""]),
    );
  } finally {
    db.close();
  }
}

const sorted = (rows: readonly (readonly unknown[])[]): unknown[] => rows.toSorted((a, b) => (String(a[0]) < String(b[0]) ? -1 : 1));
