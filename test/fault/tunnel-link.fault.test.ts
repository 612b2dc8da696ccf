import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { CertificateAuthority } from "@sallyport/control-plane/src/identity/certificate-authority.ts";
import { checkedCertificate, newCertificateRequest } from "@sallyport/edge-agent/src/link/certificate-request.ts";
import { loadIdentity, validityOf } from "@sallyport/edge-agent/src/link/identity-store.ts";
import { SallyportError } from "@sallyport/proto/errors";
import { TcpProxy } from "../support/tcp-proxy.ts";
import { tempDir } from "../support/temp-dir.ts";
import { connected, openSession, sessions, startAgent, startControlPlane } from "./tunnel-harness.ts";

describe("a link", () => {
  it("comes up, announces its resources, and carries a session", async (t) => {
    const plane = await startControlPlane(t);
    const targets = sessions();
    const { identity } = startAgent(t, await plane.identity("a1"), {
      ...targets,
      resources: [
        { name: "orders", protocol: "postgres", labels: {} },
        { name: "taken", protocol: "postgres", labels: {} },
      ],
    });
    await connected(plane, identity.agentId);
    assert.deepEqual(plane.agents.events, ["connected 1.2.3 orders"]);
    const near = await openSession(plane, identity.agentId, "s1");
    near.channel?.send(Buffer.from("ping"));
    await targets.all.get("s1")?.got(4);
    targets.all.get("s1")?.channel?.close({ code: "target.unreachable", message: "gone" });
    assert.deepEqual(await near.closing.promise, { code: "target.unreachable", message: "gone" });
  });

  it("that is cut tells every session agent.offline, is recorded as lost, and comes back by itself", async (t) => {
    const plane = await startControlPlane(t);
    const proxy = await TcpProxy.start(t, { target: { host: "127.0.0.1", port: plane.tunnel.port } });
    const targets = sessions();
    const agent = startAgent(t, await plane.identity("a1", proxy.port), targets);
    await connected(plane, agent.identity.agentId);
    const near = await openSession(plane, agent.identity.agentId, "s1");
    proxy.cut();
    assert.equal((await near.closing.promise).code, "agent.offline");
    assert.equal((await targets.all.get("s1")?.closing.promise)?.code, "session.ended");
    await plane.agents.seen("disconnected lost");
    await connected(plane, agent.identity.agentId);
    assert.equal(plane.agents.events.length, 3);
  });

  it("comes back after the control plane has restarted, within the back-off's bounds", async (t) => {
    const plane = await startControlPlane(t);
    const agent = startAgent(t, await plane.identity("a1"), { random: () => 0.999 });
    await connected(plane, agent.identity.agentId);
    await plane.restart();
    await connected(plane, agent.identity.agentId);
    assert.ok(plane.agents.events.includes("disconnected shutdown"));
    assert.ok(agent.waits.length > 0);
    assert.deepEqual(agent.waits.slice(0, 7), [499, 999, 1998, 3996, 7992, 15984, 29970].slice(0, agent.waits.length));
  });

  it("that shakes hands and then dies does not reset the back-off", async (t) => {
    const plane = await startControlPlane(t);
    const proxy = await TcpProxy.start(t, { target: { host: "127.0.0.1", port: plane.tunnel.port } });
    const agent = startAgent(t, await plane.identity("a1", proxy.port), { random: () => 0.999 });
    for (let i = 0; i < 3; i++) {
      await agent.welcome();
      proxy.cut();
    }
    await agent.welcome();
    assert.deepEqual(agent.waits, [499, 999, 1998]);
  });

  it("of an agent that is linked already replaces the first", async (t) => {
    const plane = await startControlPlane(t);
    const targets = sessions();
    const identity = await plane.identity("a1");
    const first = startAgent(t, identity, { ...targets, wait: (_ms, signal) => new Promise((resolve) => signal.addEventListener("abort", () => resolve())) });
    await connected(plane, identity.agentId);
    const near = await openSession(plane, identity.agentId, "s1");
    const second = startAgent(t, identity);
    await second.welcome();
    assert.equal((await near.closing.promise).code, "agent.offline");
    await connected(plane, identity.agentId);
    assert.deepEqual(plane.agents.events, ["connected 1.2.3 orders", "disconnected replaced", "connected 1.2.3 orders"]);
    void first;
  });

  it("of a revoked agent is refused for good", async (t) => {
    const plane = await startControlPlane(t);
    const identity = await plane.identity("a1");
    await plane.agents.revoke(identity.agentId);
    const outcome = await startAgent(t, identity).ended;
    assert.equal(outcome.kind === "fatal" && outcome.error.code, "agent.revoked");
    assert.deepEqual(plane.agents.events, []);
  });

  it("is ended for good, with its sessions, when its agent is revoked", async (t) => {
    const plane = await startControlPlane(t);
    const agent = startAgent(t, await plane.identity("a1"), sessions());
    await connected(plane, agent.identity.agentId);
    const near = await openSession(plane, agent.identity.agentId, "s1");
    await plane.agents.revoke(agent.identity.agentId);
    plane.tunnel.links.dismiss(agent.identity.agentId, "revoked", "agent.revoked", "The agent was revoked.");
    assert.deepEqual(await near.closing.promise, { code: "agent.revoked", message: "The agent was revoked." });
    const outcome = await agent.ended;
    assert.equal(outcome.kind === "fatal" && outcome.error.code, "agent.revoked");
    await plane.agents.seen("disconnected revoked");
  });

  it("is not admitted when the revocation crosses its greeting", async (t) => {
    const plane = await startControlPlane(t);
    const identity = await plane.identity("a1");
    plane.agents.whileConnecting = () => void plane.agents.revoke(identity.agentId);
    const outcome = await startAgent(t, identity).ended;
    assert.equal(outcome.kind === "fatal" && outcome.error.code, "agent.revoked");
    await plane.agents.seen("disconnected revoked");
    assert.equal(plane.tunnel.links.isConnected(identity.agentId), false);
  });

  it("is refused while the ledger fails, and comes up once it works again", async (t) => {
    const plane = await startControlPlane(t);
    plane.agents.failure = new SallyportError("ledger.unavailable", "The record cannot be written.");
    const refusedTwice = Promise.withResolvers<void>();
    let waits = 0;
    const wait = (): Promise<void> => {
      if (++waits === 2) refusedTwice.resolve();
      return new Promise((resolve) => setTimeout(resolve, 5));
    };
    const agent = startAgent(t, await plane.identity("a1"), { wait });
    await refusedTwice.promise;
    assert.equal(plane.tunnel.links.isConnected(agent.identity.agentId), false);
    plane.agents.failure = undefined;
    await connected(plane, agent.identity.agentId);
    assert.deepEqual(plane.agents.events, ["connected 1.2.3 orders"]);
  });

  it("needs a certificate of this control plane's CA", async (t) => {
    const plane = await startControlPlane(t);
    const foreign = await CertificateAuthority.open(`${tempDir(t, "foreign")}/ca`);
    const identity = await plane.identity("a1");
    const request = await newCertificateRequest();
    const certPem = checkedCertificate((await foreign.signAgent(request.der, identity.agentId)).der, request, foreign.caPem);
    const waited = Promise.withResolvers<void>();
    startAgent(t, { ...identity, certPem, keyPem: request.keyPem }, { wait: () => (waited.resolve(), new Promise((resolve) => setTimeout(resolve, 50))) });
    await waited.promise;
    assert.deepEqual(plane.agents.events, []);
  });

  it("is drained: announced, no new session, the running one finishes, recorded as drained", async (t) => {
    const plane = await startControlPlane(t);
    const targets = sessions();
    const agent = startAgent(t, await plane.identity("a1"), targets);
    await connected(plane, agent.identity.agentId);
    const near = await openSession(plane, agent.identity.agentId, "s1");
    agent.drain.abort();
    while (plane.tunnel.links.isConnected(agent.identity.agentId)) await new Promise((resolve) => setImmediate(resolve));
    assert.throws(
      () => plane.tunnel.links.open(agent.identity.agentId, { resource: "orders", sessionId: "s2", parameters: {}, obligations: undefined, credit: 0 }, near),
      (error) => error instanceof SallyportError && error.code === "agent.offline",
    );
    targets.all.get("s1")?.channel?.send(Buffer.from("last words"));
    await near.got(10);
    near.channel?.close({ code: "", message: "" });
    assert.deepEqual(await agent.ended, { kind: "drained" });
    await plane.agents.seen("disconnected drained");
  });

  it("is cut by the second signal, and by the drain's bound", async (t) => {
    const plane = await startControlPlane(t);
    for (const [name, options] of [
      ["cut", {}],
      ["bound", { drainTimeoutMs: 20 }],
    ] as const) {
      const agent = startAgent(t, await plane.identity(name), { ...sessions(), ...options });
      await connected(plane, agent.identity.agentId);
      const near = await openSession(plane, agent.identity.agentId, name);
      agent.drain.abort();
      if (name === "cut") agent.cut.abort();
      assert.deepEqual(await agent.ended, { kind: "drained" });
      assert.equal((await near.closing.promise).code, "agent.offline");
    }
  });

  it("is renewed with a new key when its certificate is past half-life, and outlives its first certificate", async (t) => {
    const plane = await startControlPlane(t);
    const stateDir = tempDir(t, "state");
    // It must be linked before that is over, on a busy machine too: an agent does not try with a certificate that has expired.
    const identity = await plane.identity("a1", undefined, 3_000);
    startAgent(t, identity, { stateDir });
    await connected(plane, identity.agentId);
    await plane.agents.seen("certificate");
    await new Promise((resolve) => setTimeout(resolve, validityOf(identity).notAfter.getTime() + 200 - Date.now()));
    assert.equal(plane.tunnel.links.isConnected(identity.agentId), true);
    assert.deepEqual(plane.agents.events, ["connected 1.2.3 orders", "certificate"]);
    const renewed = await loadIdentity(stateDir);
    assert.ok(renewed !== undefined && validityOf(renewed).notAfter.getTime() > Date.now() + 3_600_000);
    assert.notEqual(renewed.keyPem, identity.keyPem);
    await plane.restart();
    await connected(plane, identity.agentId);
  });

  it("ends when its certificate does, unless it was renewed", async (t) => {
    const plane = await startControlPlane(t, { agentLifetimeMs: 1_500 });
    startAgent(t, await plane.identity("a1", undefined, 1_500));
    await plane.agents.seen("disconnected closed");
  });

  it("is not even tried with a certificate that has expired", async (t) => {
    const plane = await startControlPlane(t);
    const outcome = await startAgent(t, await plane.identity("a1", undefined, -1_000)).ended;
    assert.equal(outcome.kind === "fatal" && outcome.error.code, "auth.expired");
  });
});
