import assert from "node:assert/strict";
import { describe, it, type TestContext } from "node:test";
import type { Principal } from "../../domain/decision.ts";
import { delegationStream } from "../../domain/delegation/delegation.events.ts";
import { createCedarCompiler } from "../../policy/compiler.ts";
import { createApplication } from "../application.ts";
import { ManualTime } from "../testing/manual-time.ts";
import { human, machine, orders } from "../testing/samples.ts";
import { admin, openSealed, silent, typesIn, until } from "../testing/stage.ts";
import type { Moment } from "./moment.ts";
import { createTimeTravel } from "./time-travel.ts";

const compiler = createCedarCompiler();
const rules = `
  @id("open") permit (principal, action == Action::"open", resource);
  @id("approve") permit (principal in Group::"approvers", action == Action::"approve", resource);`;
const bo: Principal = { ...human("bo"), groups: ["approvers"] };
const cy = human("cy");
const di = human("di");
const HOUR_SECONDS = 3_600;
const HOUR_MS = HOUR_SECONDS * 1_000;
const away = { seconds: HOUR_SECONDS, reason: "at the dentist" };

/** Bo may approve; cy and di may not. The clock of the ledger is the machine's, that of the application may be behind, or ahead. */
async function world(t: TestContext, behindMs = 0) {
  const { ledger, sealing } = await openSealed(t);
  const clock = new ManualTime(new Date(Date.now() - behindMs).toISOString());
  const app = await createApplication({ ledger, clock, log: silent, compiler, subjects: sealing.subjects, nodeId: "one", scheduler: clock });
  t.after(() => Promise.all([app.failClosed.close(), app.live.close()]));
  for (const who of [bo, cy, di, machine("robot")]) await app.identities.put(who, admin);
  await app.resources.offer("a1", [orders]);
  await app.policies.publish([{ name: "a.cedar", text: rules }], "first", admin);
  const past = createTimeTravel({ ledger, clock: { now: () => new Date(Date.now() + 2 * HOUR_MS) }, compiler });
  const now = async (): Promise<Moment> => {
    let position = 0n;
    for await (const last of ledger.readAll({ direction: "backwards", limit: 1 })) position = last.position;
    return { kind: "position", position };
  };
  /** Of each delegation that was open or to come: who decides for whom. */
  const state = async (moment: Moment): Promise<unknown> =>
    (await past.state(moment)).openDelegations().map(({ from, to, state: then }) => `${then}: ${to} for ${from}`);
  /** What policy said to this person, and to those whose place they could take. */
  const access = async (moment: Moment, identity: string): Promise<unknown> => {
    const [found] = (await past.access(moment, { identity })).access;
    const own = found?.decisions.find(({ action }) => action === "approve")?.decision.effect;
    return [own, ...(found?.inPlaceOf ?? []).map(({ from, approve }) => `${approve.effect} for ${from}`)];
  };
  return { app, past, ledger, clock, now, state, access };
}

describe("who decided in whose place, in the past", () => {
  it("is told from the moment that it was given to the one that it was taken back, and not before or after", async (t) => {
    const { app, now, state, access } = await world(t);
    const before = await now();
    const { id } = await app.delegations.give({ ...away, to: "di" }, bo, admin);
    const during = await now();
    await app.delegations.end(id, bo, "back", admin);
    const after = await now();
    for (const [moment, delegations, answer] of [
      [before, [], ["deny"]],
      [during, ["open: di for bo"], ["deny", "allow for bo"]],
      [after, [], ["deny"]],
    ] as const) {
      assert.deepEqual(await state(moment), delegations);
      assert.deepEqual(await access(moment, "di"), answer);
      assert.deepEqual([await access(moment, "bo"), await access(moment, "cy")], [["allow"], ["deny"]]);
    }
  });

  it("is over on time, whether its end is recorded or not", async (t) => {
    const { app, ledger, clock, now, state, access } = await world(t, 2 * HOUR_MS);
    const { id } = await app.delegations.give({ ...away, to: "di" }, bo, admin);
    // By the clock of the application it has an hour left; by that of the ledger it ended an hour ago.
    const unrecorded = await now();
    assert.deepEqual([await state(unrecorded), await access(unrecorded, "di")], [[], ["deny"]]);
    clock.advance(HOUR_MS);
    await until("its end is recorded", async () => (await typesIn(ledger, delegationStream(id))).at(-1) === "DelegationExpired");
    assert.deepEqual([await state(await now()), await access(await now(), "di")], [[], ["deny"]]);
  });

  it("is told by the instant too: up to its end, and from then on no more", async (t) => {
    const { app, state, access } = await world(t);
    const { endsAt } = await app.delegations.give({ ...away, to: "di" }, bo, admin);
    const last: Moment = { kind: "instant", at: new Date(endsAt.getTime() - 1) };
    const over: Moment = { kind: "instant", at: endsAt };
    assert.deepEqual([await state(last), await access(last, "di")], [["open: di for bo"], ["deny", "allow for bo"]]);
    assert.deepEqual([await state(over), await access(over, "di")], [[], ["deny"]]);
  });

  it("has begun with the event that says so, where the clock of the ledger is behind", async (t) => {
    const { app, now, state, access } = await world(t, -HOUR_MS / 2);
    await app.delegations.give({ ...away, to: "di" }, bo, admin);
    assert.deepEqual([await state(await now()), await access(await now(), "di")], [["open: di for bo"], ["deny", "allow for bo"]]);
  });

  it("is told as to come before it begins, and counts from then on", async (t) => {
    const { app, now, state, access } = await world(t);
    const startsAt = new Date(Date.now() + HOUR_MS);
    const { id } = await app.delegations.give({ ...away, to: "di", startsAt, seconds: 60 }, bo, admin);
    const given = await now();
    for (const moment of [given, { kind: "instant", at: new Date(startsAt.getTime() - 1) } as const])
      assert.deepEqual([await state(moment), await access(moment, "di")], [["scheduled: di for bo"], ["deny"]]);
    const begun: Moment = { kind: "instant", at: startsAt };
    assert.deepEqual([await state(begun), await access(begun, "di")], [["open: di for bo"], ["deny", "allow for bo"]]);
    const over: Moment = { kind: "instant", at: new Date(startsAt.getTime() + 60_000) };
    assert.deepEqual([await state(over), await access(over, "di")], [[], ["deny"]]);
    await app.delegations.end(id, di, "not needed", admin);
    assert.deepEqual([await state(begun), await access(begun, "di")], [[], ["deny"]]);
    assert.deepEqual(await state(given), ["scheduled: di for bo"]);
  });

  it("is what the other had then: with their groups, nothing of who was disabled, and nothing that was only lent", async (t) => {
    const { app, now, state, access } = await world(t);
    await app.delegations.give({ ...away, to: "di" }, bo, admin);
    await app.delegations.give({ ...away, to: "di" }, cy, admin);
    await app.delegations.give({ ...away, to: "cy" }, di, admin);
    const given = await now();
    await app.identities.put({ ...bo, groups: [] }, admin);
    const left = await now();
    await app.identities.disable("bo", "left", admin);
    const gone = await now();
    assert.deepEqual(await state(gone), ["open: di for bo", "open: di for cy", "open: cy for di"]);
    assert.deepEqual(
      [await access(given, "di"), await access(left, "di"), await access(gone, "di")],
      [
        ["deny", "allow for bo", "deny for cy"],
        ["deny", "deny for bo", "deny for cy"],
        ["deny", "deny for cy"],
      ],
    );
    assert.deepEqual(await access(given, "cy"), ["deny", "deny for di"]);
  });

  it("tells of each person once, up to the last end, however often they gave it", async (t) => {
    const { app, past, now, access } = await world(t);
    const { endsAt } = await app.delegations.give({ ...away, to: "di" }, bo, admin);
    await app.delegations.give({ ...away, to: "di", seconds: 60 }, bo, admin);
    assert.deepEqual(await access(await now(), "di"), ["deny", "allow for bo"]);
    const [found] = (await past.access(await now(), { identity: "di" })).access;
    assert.deepEqual(
      found?.inPlaceOf.map(({ until: end }) => end),
      [endsAt],
    );
  });
});
