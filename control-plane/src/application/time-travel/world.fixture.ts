import assert from "node:assert/strict";
import { randomUUID } from "node:crypto";
import type { TestContext } from "node:test";
import { type Decision, type Principal, recordDecision } from "../../domain/decision.ts";
import type { SessionEvent } from "../../domain/session/session.events.ts";
import type { Ledger } from "../../ledger/ledger.ts";
import { type Application, createApplication } from "../application.ts";
import type { PolicyCompiler } from "../policy-ports.ts";
import { ManualTime } from "../testing/manual-time.ts";
import { authorized, command, human, opened, orders, requested } from "../testing/samples.ts";
import { admin, openSealed, silent } from "../testing/stage.ts";
import { createTimeTravel, type TimeTravel } from "./time-travel.ts";

/** Whoever is in the group may run what they like. */
export const files = (group: string): { readonly name: string; readonly text: string }[] => [
  {
    name: "a.cedar",
    text: `@id("open") permit (principal, action == Action::"open", resource);
      @id("run") permit (principal in Group::"${group}", action == Action::"run", resource);
      @id("approve") permit (principal, action == Action::"approve", resource);`,
  },
];

export interface World {
  readonly ledger: Ledger;
  readonly app: Application;
  readonly past: TimeTravel;
  /** Of the policy that is in force. */
  readonly version: string;
  readonly head: () => Promise<bigint>;
  /** As the gateway decides, for a person as they are now. */
  readonly decide: (principal: Principal) => Decision;
  /** A session of ana's with one command, decided so. */
  readonly record: (event: SessionEvent) => Promise<string>;
  readonly allowed: (decision: Decision, obligations?: Decision["obligations"]) => SessionEvent;
  readonly ana: () => Principal;
  readonly clock: ManualTime;
}

/** The real application over the real ledger, with Cedar; the clock of the ledger is the machine's, that of the application may be behind. */
export async function makeWorld(t: TestContext, compiler: PolicyCompiler, behindMs = 0): Promise<World> {
  const { ledger, sealing } = await openSealed(t);
  const clock = new ManualTime(new Date(Date.now() - behindMs).toISOString());
  const app = await createApplication({ ledger, clock, log: silent, compiler, subjects: sealing.subjects, nodeId: "one", scheduler: clock });
  const past = createTimeTravel({ ledger, clock: { now: () => new Date() }, compiler });
  t.after(() => Promise.all([app.failClosed.close(), app.live.close()]));
  await app.identities.put({ ...human("ana"), groups: ["engineers"] }, admin);
  await app.identities.put({ ...human("bo"), groups: [] }, admin);
  await app.resources.offer("a1", [orders]);
  const version = await app.policies.publish(files("engineers"), "first", admin);

  const head = async (): Promise<bigint> => {
    for await (const { position } of ledger.readAll({ direction: "backwards", limit: 1 })) return position;
    return 0n;
  };
  const decide = (principal: Principal): Decision => {
    const decision = app.policies.current()?.decide({ principal, action: "run", resource: orders, facts: command(1).facts });
    assert.ok(decision);
    return decision;
  };
  const record = async (event: SessionEvent): Promise<string> => {
    const id = randomUUID();
    const open = app.policies.current()?.decide({ principal: { ...human("ana"), groups: ["engineers"] }, action: "open", resource: orders });
    assert.ok(open);
    const begun = { ...opened(id), data: { ...opened(id).data, decision: recordDecision(open) } } as SessionEvent;
    await app.openRecord(id).append([requested(id, { ...human("ana"), groups: ["engineers"] }), begun, event], admin);
    return id;
  };
  const allowed = (decision: Decision, obligations = decision.obligations): SessionEvent =>
    ({ ...authorized(1), data: { ...authorized(1).data, decision: recordDecision(decision), obligations } }) as SessionEvent;
  const ana = (): Principal => app.identities.find("ana") ?? human("ana");
  return { ledger, app, past, version, head, decide, record, allowed, ana, clock };
}
