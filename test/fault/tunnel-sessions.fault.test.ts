import assert from "node:assert/strict";
import { createHash, randomBytes } from "node:crypto";
import { describe, it } from "node:test";
import type { ServiceError } from "@grpc/grpc-js";
import { dial, type TunnelClient } from "@sallyport/edge-agent/src/link/dial.ts";
import { SallyportError } from "@sallyport/proto/errors";
import type { ControlResponse } from "@sallyport/proto/gen/sallyport/tunnel/v1/tunnel";
import { encodeBody, encodeFrames, type OutBody } from "@sallyport/proto/tunnel/data-codec";
import { DEFAULT_WINDOW_BYTES, ERROR_CODE_METADATA, HTTP2_WINDOW_BYTES, TUNNEL_VERSION } from "@sallyport/proto/tunnel/limits";
import { TcpProxy } from "../support/tcp-proxy.ts";
import { delayedRoute } from "./tunnel-delay.ts";
import { connected, type ControlPlane, openOf, openSession, Session, sessions, startAgent, startControlPlane } from "./tunnel-harness.ts";

const MIB = 1_048_576;

/** An agent that speaks the protocol by hand, with a good certificate and bad manners. */
async function hostileAgent(plane: ControlPlane, name: string, port?: number, features = ["limits", "lineage"]) {
  const identity = await plane.identity(name, port);
  const client = dial(identity);
  const control = client.control();
  control.on("error", () => {});
  const dismissed = new Promise<string>((resolve) => {
    control.on("data", ({ body }: ControlResponse) => {
      if (body?.$case === "dismiss") resolve(body.value.code);
    });
  });
  control.write({ body: { $case: "hello", value: { agentVersion: "0", tunnelVersion: TUNNEL_VERSION, resources: [], features } } });
  await new Promise((resolve) => control.once("data", resolve));
  const data = client.data();
  data.on("error", () => {});
  let received = 0;
  data.on("data", (bytes: Buffer) => {
    received += bytes.length;
  });
  await connected(plane, identity.agentId);
  const send = (session: number, body: OutBody): void => void data.write(encodeFrames([{ session, body }]));
  return { identity, client, control, data, dismissed, send, received: () => received };
}

describe("sessions of a link", () => {
  it("carry 64 MiB through one channel, byte for byte, both ways at once", async (t) => {
    const plane = await startControlPlane(t);
    const targets = sessions();
    const agent = startAgent(t, await plane.identity("a1"), targets);
    await connected(plane, agent.identity.agentId);
    const near = await openSession(plane, agent.identity.agentId, "s1");
    const far = targets.all.get("s1");
    assert.ok(far);
    const chunks = Array.from({ length: 64 }, (_, index) => randomBytes(MIB - (index % 7)));
    const total = chunks.reduce((sum, chunk) => sum + chunk.length, 0);
    const [sent, seenNear, seenFar] = [createHash("sha256"), createHash("sha256"), createHash("sha256")];
    for (const chunk of chunks) sent.update(chunk);
    near.onData = (bytes) => seenNear.update(bytes);
    far.onData = (bytes) => seenFar.update(bytes);
    await Promise.all([far.sendAll(chunks), near.sendAll(chunks), near.got(total), far.got(total)]);
    const digest = sent.digest("hex");
    assert.deepEqual([seenNear.digest("hex"), seenFar.digest("hex")], [digest, digest]);
  });

  it("are not held up by one whose reader has stopped, and that one holds a window and no more", async (t) => {
    const plane = await startControlPlane(t);
    const targets = sessions();
    const agent = startAgent(t, await plane.identity("a1"), targets);
    await connected(plane, agent.identity.agentId);
    const stalled = await openSession(plane, agent.identity.agentId, "stalled");
    stalled.reading = false;
    const flood = targets.all.get("stalled")?.sendAll(Array.from({ length: 64 }, () => Buffer.alloc(MIB)));
    await stalled.got(DEFAULT_WINDOW_BYTES);
    const lively = await openSession(plane, agent.identity.agentId, "lively");
    await Promise.all([targets.all.get("lively")?.sendAll(Array.from({ length: 16 }, () => Buffer.alloc(MIB))), lively.got(16 * MIB)]);
    assert.equal(stalled.received, DEFAULT_WINDOW_BYTES);
    stalled.read();
    await Promise.all([flood, stalled.got(64 * MIB)]);
  });

  it("have the window open at 40 ms: more than 1 MiB is on its way at once", async (t) => {
    const plane = await startControlPlane(t, { window: 8 * MIB });
    const route = await delayedRoute(t, plane.tunnel.port, 20);
    const targets = sessions();
    const agent = startAgent(t, await plane.identity("a1", route.port), { ...targets, window: 8 * MIB });
    await connected(plane, agent.identity.agentId);
    const near = await openSession(plane, agent.identity.agentId, "s1");
    await Promise.all([targets.all.get("s1")?.sendAll(Array.from({ length: 256 }, () => Buffer.alloc(65_536))), near.got(16 * MIB)]);
    assert.ok(route.mostInFlight() > MIB, `${route.mostInFlight()} bytes at most`);
    assert.ok(route.mostInFlight() < HTTP2_WINDOW_BYTES + MIB);
  });

  it("are out of reach for another agent: touching a foreign id cuts that agent off, and only it", async (t) => {
    const plane = await startControlPlane(t);
    const targets = sessions();
    const honest = startAgent(t, await plane.identity("honest"), targets);
    await connected(plane, honest.identity.agentId);
    const victim = await openSession(plane, honest.identity.agentId, "victim");
    const route = await TcpProxy.start(t, { target: { host: "127.0.0.1", port: plane.tunnel.port } });
    const hostile = await hostileAgent(plane, "hostile", route.port);
    t.after(() => hostile.client.close());
    const own = new Session();
    own.channel = plane.tunnel.links.open(hostile.identity.agentId, openOf("own"), own);
    hostile.send(victim.channel?.session ?? 0, { $case: "data", value: [Buffer.from("forged")] });
    assert.equal(await hostile.dismissed, "tunnel.violation");
    assert.equal((await own.closing.promise).code, "agent.offline");
    await plane.agents.seen("disconnected protocol_violation");
    while (route.open > 0) await new Promise((resolve) => setTimeout(resolve, 20)); // although the hostile agent closes nothing
    assert.equal(victim.received, 0);
    targets.all.get("victim")?.channel?.send(Buffer.from("genuine"));
    await victim.got(7);
  });

  it("end with their link when the agent overruns a credit, or sends what does not parse", async (t) => {
    const plane = await startControlPlane(t);
    const overrun = await hostileAgent(plane, "overrun");
    const garbage = await hostileAgent(plane, "garbage");
    t.after(() => overrun.client.close());
    t.after(() => garbage.client.close());
    const session = new Session();
    session.reading = false;
    session.channel = plane.tunnel.links.open(overrun.identity.agentId, openOf("s1"), session);
    overrun.send(session.channel.session, encodeBody({ $case: "opened", value: { greeting: Buffer.alloc(0), transport: "", credit: 1 } }));
    for (let sent = 0; sent <= DEFAULT_WINDOW_BYTES; sent += 65_536) overrun.send(session.channel.session, { $case: "data", value: [Buffer.alloc(65_536)] });
    assert.equal(await overrun.dismissed, "tunnel.violation");
    assert.equal(session.received, DEFAULT_WINDOW_BYTES);
    garbage.data.write(Buffer.from("not frames"));
    assert.equal(await garbage.dismissed, "tunnel.violation");
  });

  it("cannot be reached by a data stream without a control stream, from another connection, or by a second one", async (t) => {
    const plane = await startControlPlane(t);
    const identity = await plane.identity("a1");
    const clients = [dial(identity), dial(identity)] as const;
    t.after(() => clients.map((client) => client.close()));
    const refusal = (client: TunnelClient): Promise<string> =>
      new Promise((resolve) => {
        const data = client.data();
        data.on("data", () => {});
        data.on("error", (error: ServiceError) => resolve(`${String(error.metadata.get(ERROR_CODE_METADATA)[0])}: ${error.details}`));
      });
    assert.equal(await refusal(clients[0]), "tunnel.violation: A data stream needs a control stream first.");

    const control = clients[0].control();
    control.on("error", () => {});
    control.write({ body: { $case: "hello", value: { agentVersion: "0", tunnelVersion: TUNNEL_VERSION, resources: [], features: [] } } });
    await new Promise((resolve) => control.once("data", resolve));
    const ofItsOwn = "tunnel.violation: A data stream needs a control stream of its own on the same connection.";
    assert.equal(await refusal(clients[1]), ofItsOwn);
    assert.equal(plane.tunnel.links.isConnected(identity.agentId), false);

    const first = clients[0].data();
    first.on("error", () => {});
    await connected(plane, identity.agentId);
    assert.equal(await refusal(clients[0]), ofItsOwn);
    assert.equal(plane.tunnel.links.isConnected(identity.agentId), true);
  });

  it("are not opened on an agent that speaks another version of the tunnel", async (t) => {
    const plane = await startControlPlane(t);
    const identity = await plane.identity("a1");
    const client = dial(identity);
    t.after(() => client.close());
    const control = client.control();
    control.on("error", () => {});
    control.write({ body: { $case: "hello", value: { agentVersion: "9", tunnelVersion: TUNNEL_VERSION + 1, resources: [], features: [] } } });
    const { body } = await new Promise<{ body: unknown }>((resolve) => control.once("data", resolve));
    assert.deepEqual(body, {
      $case: "dismiss",
      value: { code: "agent.version", message: `The control plane speaks version 1 of the tunnel, the agent 2.`, retryable: false },
    });
    assert.deepEqual(plane.agents.events, []);
  });

  for (const features of [[], ["preview"], ["preview", "limits"], ["preview", "lineage"]]) {
    it(`are not opened on an older agent that says it can do [${features.join(", ")}], and it gets nothing that it may not read`, async (t) => {
      const plane = await startControlPlane(t);
      const agent = await hostileAgent(plane, "older", undefined, features);
      t.after(() => agent.client.close());
      assert.throws(
        () => plane.tunnel.links.open(agent.identity.agentId, openOf("s1"), new Session()),
        (error) => error instanceof SallyportError && error.code === "agent.version" && error.message.endsWith("Update the agent."),
      );
      agent.control.write({ body: { $case: "draining", value: { reason: "shutdown" } } });
      while (plane.tunnel.links.isConnected(agent.identity.agentId)) await new Promise((resolve) => setImmediate(resolve));
      assert.equal(agent.received(), 0);
    });
  }

  it("have their control plane refuse anybody without a certificate, or with a listener's", async (t) => {
    const plane = await startControlPlane(t);
    const { connect } = await import("node:tls");
    const { certPem, keyPem } = await plane.ca.issueServer(["127.0.0.1"]);
    for (const credential of [{}, { cert: certPem, key: keyPem }]) {
      const socket = connect({ host: "127.0.0.1", port: plane.tunnel.port, ca: plane.ca.caPem, ALPNProtocols: ["h2"], ...credential });
      socket.on("error", () => {});
      socket.on("data", () => {});
      await new Promise((resolve) => socket.once("close", resolve));
    }
    assert.deepEqual(plane.agents.events, []);
  });
});
