import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { agentNameStream, agentStream } from "../domain/agent/agent.events.ts";
import type { Application } from "./application.ts";
import { orders } from "./testing/samples.ts";
import { admin, collect, fails, setStage, typesIn } from "./testing/stage.ts";

const link = { version: "0.1.0", address: "192.0.2.7:4000", certificateFingerprint: "ff", resources: ["orders"] };

/** SHA-256 of `warehouse`, its first half; data at rest. */
const nameHash = "ae1fd358c7612a02fdc6d923fd40308e";

async function enrolled(app: Application, name: string): Promise<string> {
  const { secret } = await app.agents.issueJoinSecret(name, 60, admin);
  return app.agents.enrol(name, secret);
}

describe("joining", () => {
  it("works once with the secret, and only under its name and in time", async (t) => {
    const { app, time } = await setStage(t);
    const { agentId, secret } = await app.agents.issueJoinSecret("warehouse", 60, admin);
    await assert.rejects(app.agents.enrol("other", secret), fails("join.invalid"));
    await assert.rejects(app.agents.enrol("warehouse", "x"), fails("join.invalid"));
    assert.equal(await app.agents.enrol("warehouse", secret), agentId);
    await assert.rejects(app.agents.enrol("warehouse", secret), fails("join.invalid"));
    const late = await app.agents.issueJoinSecret("late", 60, admin);
    time.advance(60_000);
    await assert.rejects(app.agents.enrol("late", late.secret), fails("join.invalid"));
  });

  it("with one secret by two at once lets one in", async (t) => {
    const { app, ledger } = await setStage(t);
    const { agentId, secret } = await app.agents.issueJoinSecret("warehouse", 60, admin);
    const results = await Promise.allSettled(Array.from({ length: 8 }, () => app.agents.enrol("warehouse", secret)));
    assert.equal(results.filter(({ status }) => status === "fulfilled").length, 1);
    assert.ok(results.every((result) => result.status === "fulfilled" || fails("join.invalid")(result.reason)));
    assert.deepEqual(await typesIn(ledger, agentStream(agentId)), ["JoinTokenIssued", "AgentEnrolled"]);
  });

  it("stores no secret", async (t) => {
    const { app, ledger } = await setStage(t);
    const { secret } = await app.agents.issueJoinSecret("warehouse", 60, admin);
    assert.ok(!JSON.stringify((await collect(ledger.readAll())).map(({ data }) => data)).includes(secret));
  });
});

describe("an agent's name", () => {
  it("asked for by two at once goes to one", async (t) => {
    const { app, restart } = await setStage(t);
    const other = await restart();
    const results = await Promise.allSettled([app, other, app, other].map(({ agents }) => agents.issueJoinSecret("warehouse", 60, admin)));
    assert.equal(results.filter(({ status }) => status === "fulfilled").length, 1);
    assert.ok(results.every((result) => result.status === "fulfilled" || fails("agent.name_taken")(result.reason)));
  });

  it("is taken once enrolled, free again once revoked, and then for a new agent", async (t) => {
    const { app } = await setStage(t);
    const first = await enrolled(app, "warehouse");
    await assert.rejects(app.agents.issueJoinSecret("warehouse", 60, admin), fails("agent.name_taken"));
    await app.agents.revoke(first, "lost", admin);
    const second = await enrolled(app, "warehouse");
    assert.notEqual(second, first);
    assert.throws(() => app.agents.requireEnrolled(first), fails("agent.revoked"));
    assert.equal(app.agents.requireEnrolled(second).name, "warehouse");
  });

  it("is reserved by its hash, with no trace of the token, in a stream of its own", async (t) => {
    const { app, ledger } = await setStage(t);
    const { agentId } = await app.agents.issueJoinSecret("warehouse", 60, admin);
    await app.agents.issueJoinSecret("warehouse", 60, admin);
    const reserved = await collect(ledger.readAll({ filter: { by: "stream", prefixes: ["agentname-"] } }));
    assert.deepEqual(
      reserved.map(({ stream, type, data }) => [stream, type, data]),
      [[agentNameStream(nameHash), "AgentNameReserved", { nameHash, agentId }]],
    );
  });

  it("that was reserved before a crash is taken up by the next attempt", async (t) => {
    const { app, ledger, restart } = await setStage(t);
    ledger.before = (stream) => {
      if (stream.startsWith("agent-")) ledger.line = "refuse";
    };
    await assert.rejects(app.agents.issueJoinSecret("warehouse", 60, admin), fails("ledger.unavailable"));
    ledger.before = undefined;
    ledger.line = "good";
    assert.ok(await enrolled(await restart(), "warehouse"));
  });

  it("may be given a new secret until it is used; the old one is void", async (t) => {
    const { app } = await setStage(t);
    const first = await app.agents.issueJoinSecret("warehouse", 60, admin);
    const second = await app.agents.issueJoinSecret("warehouse", 60, admin);
    assert.equal(second.agentId, first.agentId);
    await assert.rejects(app.agents.enrol("warehouse", first.secret), fails("join.invalid"));
    assert.equal(await app.agents.enrol("warehouse", second.secret), first.agentId);
  });
});

describe("an agent's link", () => {
  it("shows in the list, with the certificate's end", async (t) => {
    const { app } = await setStage(t);
    const id = await enrolled(app, "warehouse");
    await app.agents.certificateIssued(id, {
      serial: "1",
      fingerprint: "ff",
      notBefore: new Date("2026-11-22T10:00:00.000Z"),
      notAfter: new Date("2026-11-23T10:00:00.000Z"),
    });
    await app.agents.connected(id, link);
    assert.deepEqual(app.agents.list(), [
      { id, name: "warehouse", enrolled: true, revoked: false, connected: true, version: "0.1.0", certificateExpiresAt: new Date("2026-11-23T10:00:00.000Z") },
    ]);
    await app.agents.disconnected(id, "lost");
    assert.equal(app.agents.requireEnrolled(id).connected, false);
    assert.throws(() => app.agents.requireEnrolled("unknown"), fails("agent.not_found"));
    await assert.rejects(app.agents.connected("unknown", link), fails("agent.not_found"));
  });
});

describe("resources", () => {
  it("follow what the agent offers", async (t) => {
    const { app } = await setStage(t);
    const id = await enrolled(app, "warehouse");
    await app.resources.offer(id, [orders, { ...orders, name: "billing" }]);
    await app.resources.offer(id, [{ ...orders, labels: { tier: "lead" } }]);
    assert.deepEqual(app.resources.list(), [{ ...orders, labels: { tier: "lead" }, agentId: id }]);
    assert.equal(app.resources.find("billing"), undefined);
  });

  it("of another agent, twice the same, or badly named are refused one by one", async (t) => {
    const { app } = await setStage(t);
    const [first, second] = [await enrolled(app, "one"), await enrolled(app, "two")];
    await app.resources.offer(first, [orders]);
    const refused = await app.resources.offer(second, [orders, { ...orders, name: "a b" }, { ...orders, name: "mine" }, { ...orders, name: "mine" }]);
    assert.deepEqual(
      refused.map(({ name, code }) => [name, code]),
      [
        ["orders", "resource.conflict"],
        ["a b", "input.invalid"],
        ["mine", "input.invalid"],
      ],
    );
    assert.equal(app.resources.find("orders")?.agentId, first);
    assert.equal(app.resources.find("mine")?.agentId, second);
  });

  it("of a revoked agent are retired, and free for another", async (t) => {
    const { app, ledger } = await setStage(t);
    const [first, second] = [await enrolled(app, "one"), await enrolled(app, "two")];
    await app.resources.offer(first, [orders]);
    // Killed between the revocation and the retirement.
    ledger.before = (stream) => {
      if (stream.startsWith("resource-")) ledger.line = "refuse";
    };
    await assert.rejects(app.agents.revoke(first, "lost", admin));
    ledger.before = undefined;
    ledger.line = "good";
    assert.deepEqual(await app.resources.offer(second, [orders]), []);
    assert.equal(app.resources.find("orders")?.agentId, second);
    await app.agents.revoke(second, "lost", admin);
    assert.equal(app.resources.find("orders"), undefined);
  });
});
