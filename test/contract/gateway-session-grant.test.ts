import assert from "node:assert/strict";
import { before, describe, it } from "node:test";
import type { SallyportError } from "@sallyport/proto/errors";
import { decodeFields } from "@sallyport/proto/wire/postgres/backend";
import type { GrantView } from "../../control-plane/src/application/grant-ports.ts";
import type { DecisionRequest } from "../../control-plane/src/domain/decision.ts";
import { grantExpired, grantRevoked } from "../../control-plane/src/domain/grant/grant.decider.ts";
import type { GatewayDeps } from "../../control-plane/src/gateway/postgres/gateway.ts";
import { query } from "../support/frontend-messages.ts";
import { suiteCleanup } from "../support/suite-cleanup.ts";
import { type BedOptions, GatewayBed, type Ground, HANG_MS, prepareGround, startRealTarget, transcript } from "./gateway-session-harness.ts";
import type { OpenTarget } from "./gateway-session-target.ts";

/** Ana's grant, as the gateway meets it: what it says, and what a test does to it. */
class TestGrant {
  over: SallyportError | undefined;
  /** Of `use`, when it is called. */
  revokedMeanwhile = false;
  readonly used: string[] = [];
  readonly #watchers = new Set<(why: SallyportError) => void>();

  readonly port: Partial<GatewayDeps["grants"]> = {
    current: (identityId, resource) => (this.over === undefined ? ({ id: "g1", requestedBy: identityId, resource } as GrantView) : undefined),
    use: async (_grantId, sessionId) => {
      if (this.revokedMeanwhile) throw grantRevoked("orders");
      this.used.push(sessionId);
    },
    requireOpen: () => {
      if (this.over !== undefined) throw this.over;
    },
    onEnd: (_grantId, ended) => {
      this.#watchers.add(ended);
      return () => this.#watchers.delete(ended);
    },
  };

  get watchers(): number {
    return this.#watchers.size;
  }

  end(why: SallyportError): void {
    this.over = why;
    for (const ended of this.#watchers) ended(why);
  }
}

describe("a session that uses a grant", { timeout: 6 * HANG_MS }, () => {
  const cleanup = suiteCleanup();
  let ground: Ground;
  let real: OpenTarget;
  before(async () => {
    ground = await prepareGround(cleanup);
    const { server, open } = await startRealTarget(cleanup);
    real = open;
    await (await server.connectAsApp()).query("create table t (id int)");
  });
  const start = (t: Parameters<typeof GatewayBed.start>[0], grant: TestGrant, options: BedOptions = {}): Promise<GatewayBed> =>
    GatewayBed.start(t, ground, { target: real, grants: grant.port, ...options });

  it("names it in its record, and has every decision taken with it", { timeout: HANG_MS }, async (t) => {
    const asked: DecisionRequest[] = [];
    const see = (request: DecisionRequest): "allow" => {
      asked.push(request);
      return "allow";
    };
    const grant = new TestGrant();
    const { client, record } = await (await start(t, grant, { rule: see, mayOpen: see })).open();
    client.write(query("SELECT 1"));
    await client.more("Z");
    assert.deepEqual(
      record.of("SessionOpened").map(({ grantId }) => grantId),
      ["g1"],
    );
    assert.equal(grant.used.length, 1);
    assert.ok(asked.length >= 3 && asked.every(({ granted }) => granted === true));
    assert.deepEqual([...new Set(asked.map(({ action }) => action))], ["open", "run"]);
  });

  it("is not opened when the grant is revoked while the target is being opened", { timeout: HANG_MS }, async (t) => {
    const grant = new TestGrant();
    grant.revokedMeanwhile = true;
    const bed = await start(t, grant);
    await assert.rejects(bed.open(), /grant\.revoked/);
    const [record] = bed.records;
    assert.ok(record);
    await record.until(() => record.of("SessionRefused").length === 1);
    assert.deepEqual(
      record.of("SessionRefused").map(({ code, grantId }) => [code, grantId]),
      [["grant.revoked", "g1"]],
    );
    assert.equal(record.of("SessionOpened").length, 0);
    assert.equal(grant.watchers, 0);
  });

  it("is given up at once when the grant ends while the target does not answer", { timeout: HANG_MS }, async (t) => {
    const grant = new TestGrant();
    const silent: OpenTarget = () => ({ data: () => undefined, control: () => undefined, drained: () => undefined, closed: () => undefined });
    const bed = await start(t, grant, { target: silent });
    const opening = assert.rejects(bed.open(), /grant\.expired/);
    await bed.targets.until(() => bed.heard.length === 1);
    grant.end(grantExpired("orders"));
    await opening;
    assert.deepEqual([grant.used.length, grant.watchers], [0, 0]);
  });

  it("runs nothing after the grant's end, even when the timer that ends the session is late", { timeout: HANG_MS }, async (t) => {
    const grant = new TestGrant();
    const onlyGranted = ({ granted }: DecisionRequest): "allow" | "deny" => (granted === true ? "allow" : "deny");
    const { client, record } = await (await start(t, grant, { mayOpen: onlyGranted })).open();
    grant.over = grantExpired("orders");
    client.write(query("INSERT INTO t VALUES (1)"));
    await client.more("Z");
    const refusal = decodeFields((client.messages[0]?.bytes ?? Buffer.alloc(5)).subarray(5));
    assert.deepEqual([refusal.get("S"), refusal.get("C")], ["ERROR", "57P01"]);
    assert.match(refusal.get("H") ?? "", /sallyport request orders/);
    assert.deepEqual(record.commands, []);
  });

  it("withdraws what it holds, tells the client why, and lets go of the grant", { timeout: HANG_MS }, async (t) => {
    const grant = new TestGrant();
    const bed = await start(t, grant, { rule: () => "needs_approval" });
    const { client, record } = await bed.open();
    client.write(query("INSERT INTO t VALUES (1)"));
    await client.more("N");
    grant.end(grantExpired("orders"));
    await client.ended();
    assert.equal(transcript(client.messages), "N:01000 E:57P01");
    await record.until(() => record.of("SessionEnded").length === 1);
    assert.deepEqual(
      record.of("SessionEnded").map(({ cause }) => cause),
      ["grant_expired"],
    );
    assert.deepEqual(bed.approvals.states, ["withdrawn"]);
    assert.equal(grant.watchers, 0);
  });

  it("releases nothing that is approved in the moment in which the grant ends", { timeout: HANG_MS }, async (t) => {
    const grant = new TestGrant();
    const bed = await start(t, grant, { rule: () => "needs_approval" });
    const { client, record } = await bed.open();
    client.write(query("INSERT INTO t VALUES (1)"));
    const id = await bed.approvals.number(1);
    grant.over = grantExpired("orders");
    await bed.approvals.approve(id);
    await client.more("Z");
    assert.equal(transcript(client.messages), "N:01000 E:57P01 Z:I");
    assert.deepEqual(bed.approvals.taken, []);
    await record.until(() => record.of("CommandDenied").length === 1);
    assert.deepEqual(record.commands, ["CommandHeld 1", "CommandDenied 1 grant.expired"]);
  });
});
