import assert from "node:assert/strict";
import { randomUUID } from "node:crypto";
import { test } from "node:test";
import { certificateFingerprint, isSignedBy } from "@sallyport/proto/tunnel/forwarding-statement";
import { SallyportError } from "@sallyport/proto/errors";
import { Attestor } from "@sallyport/edge-agent/src/attestation/attestor.ts";
import { connected, log, startAgent, startControlPlane } from "./tunnel-harness.ts";

const SESSION = "3d6b1c1e-6a0e-4f0e-8f57-0d6a9b1f7a02";

/** An interval that no test waits for. */
const never = { intervalMs: 3_600_000 };

test("what a session forwarded is stated at its end, signed with the agent's own key", async (t) => {
  const plane = await startControlPlane(t);
  const identity = await plane.identity("one");
  const attestor = new Attestor(identity, log, never);
  startAgent(t, identity, { attestor });
  await connected(plane, identity.agentId);

  const tally = attestor.open(SESSION);
  tally.forward(Buffer.from("select 1"));
  tally.command();
  tally.end();
  await plane.forwarding.got(1);

  const [statement] = plane.forwarding.statements;
  assert.ok(statement);
  const { agentId, sessionId, sequence, commands, bytes, final } = statement;
  assert.deepEqual(
    { agentId, sessionId, sequence, commands, bytes, final },
    { agentId: identity.agentId, sessionId: SESSION, sequence: 1, commands: 1, bytes: 8, final: true },
  );
  const certificate = Buffer.from(statement.certificate, "base64");
  assert.match(certificateFingerprint(certificate), /^[0-9a-f]{64}$/);
  const signature = Buffer.from(statement.signature, "base64");
  assert.equal(isSignedBy(certificate, { ...statement, at: statement.statedAt }, signature), true);
  assert.equal(isSignedBy(certificate, { ...statement, commands: 2, at: statement.statedAt }, signature), false);
});

test("a running session is stated again and again, when there is something new", async (t) => {
  const plane = await startControlPlane(t);
  const identity = await plane.identity("one");
  const attestor = new Attestor(identity, log, { intervalMs: 5 });
  startAgent(t, identity, { attestor });
  await connected(plane, identity.agentId);

  // One that is not answered at once is sent again, so statements are told apart by their number.
  const { forwarding } = plane;
  const distinct = () => forwarding.statements.filter(({ sequence }, i, all) => all.findIndex((other) => other.sequence === sequence) === i);
  const stated = async (count: number): Promise<void> => {
    while (distinct().length < count) await forwarding.got(forwarding.statements.length + 1);
  };

  const tally = attestor.open(SESSION);
  tally.forward(Buffer.from("a"));
  await stated(1);
  tally.forward(Buffer.from("b"));
  tally.command();
  await stated(2);
  tally.end();
  await stated(3);
  assert.deepEqual(
    distinct().map(({ sequence, commands, bytes, final }) => [sequence, commands, bytes, final]),
    [
      [1, 0, 1, false],
      [2, 1, 2, false],
      [3, 1, 2, true],
    ],
  );
  attestor.close();
});

test("a session that forwarded nothing is not worth a statement", async (t) => {
  const plane = await startControlPlane(t);
  const identity = await plane.identity("one");
  const attestor = new Attestor(identity, log, never);
  startAgent(t, identity, { attestor });
  await connected(plane, identity.agentId);
  attestor.open("0d6a9b1f-6a0e-4f0e-8f57-3d6b1c1e7a02").end();
  const tally = attestor.open(SESSION);
  tally.forward(Buffer.from("x"));
  tally.end();
  await plane.forwarding.got(1);
  assert.deepEqual(
    plane.forwarding.statements.map(({ sessionId }) => sessionId),
    [SESSION],
  );
});

test("a statement that could not be recorded is made again on the next link", async (t) => {
  const plane = await startControlPlane(t);
  const identity = await plane.identity("one");
  const attestor = new Attestor(identity, log, never);
  const agent = startAgent(t, identity, { attestor });
  await connected(plane, identity.agentId);

  plane.forwarding.failure = new SallyportError("ledger.unavailable", "away");
  const tally = attestor.open(SESSION);
  tally.forward(Buffer.from("x"));
  tally.end();
  const welcome = agent.welcome();
  await plane.restart();
  plane.forwarding.failure = undefined;
  await welcome;
  await plane.forwarding.got(1);
  assert.equal(plane.forwarding.statements[0]?.sessionId, SESSION);
});

test("nobody can state anything in another agent's name", async (t) => {
  const plane = await startControlPlane(t);
  const [one, two] = await Promise.all([plane.identity("one"), plane.identity("two")]);
  // Agent two dials with its own certificate and signs with the identity of agent one.
  const forger = new Attestor(one, log, never);
  const honest = new Attestor(one, log, never);
  startAgent(t, two, { attestor: forger });
  await connected(plane, two.agentId);
  const forged = forger.open(SESSION);
  forged.forward(Buffer.from("x"));
  forged.end();
  startAgent(t, one, { attestor: honest });
  await connected(plane, one.agentId);
  const real = honest.open("0d6a9b1f-6a0e-4f0e-8f57-3d6b1c1e7a02");
  real.forward(Buffer.from("x"));
  real.end();
  await plane.forwarding.got(1);
  assert.deepEqual(
    plane.forwarding.statements.map(({ agentId, sessionId }) => [agentId, sessionId]),
    [[one.agentId, "0d6a9b1f-6a0e-4f0e-8f57-3d6b1c1e7a02"]],
  );
});

test("many statements on a link that takes no more at once all get there in the end, each sent again only until it is heard", async (t) => {
  const plane = await startControlPlane(t);
  const identity = await plane.identity("one");
  // Longer than what the link takes in one round takes to be verified, on a busy machine too: else the same ones are sent again and again.
  const attestor = new Attestor(identity, log, { intervalMs: 100 });
  const sessions = Array.from({ length: 200 }, () => randomUUID());
  for (const id of sessions) {
    const tally = attestor.open(id);
    tally.forward(Buffer.from("x"));
    tally.end();
  }
  startAgent(t, identity, { attestor });
  const heard = new Set<string>();
  for (let looked = 0; heard.size < sessions.length; looked = plane.forwarding.statements.length) {
    await plane.forwarding.got(looked + 1);
    for (const { sessionId } of plane.forwarding.statements.slice(looked)) heard.add(sessionId);
  }
  assert.deepEqual([...heard].toSorted(), sessions.toSorted());
  attestor.close();
});
