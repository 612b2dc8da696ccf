import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { createPrivateKey, sign, X509Certificate } from "node:crypto";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, describe, it } from "node:test";
import { certificateFingerprint, signedBytes } from "@sallyport/proto/tunnel/forwarding-statement";
import { type AuditedEvent, Completeness, type CompletenessReport } from "./completeness.ts";

const folder = mkdtempSync(join(tmpdir(), "sallyport-completeness-"));
after(() => rmSync(folder, { recursive: true, force: true }));

function keyPair(name: string): { readonly key: ReturnType<typeof createPrivateKey>; readonly der: Buffer } {
  const [key, cert] = [join(folder, `${name}.key`), join(folder, `${name}.crt`)];
  execFileSync(
    "openssl",
    ["req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-subj", `/CN=${name}`, "-keyout", key, "-out", cert],
    { stdio: "ignore" },
  );
  return { key: createPrivateKey(readFileSync(key)), der: new X509Certificate(readFileSync(cert)).raw };
}

const [agent, stranger] = [keyPair("agent"), keyPair("stranger")];
const SESSION = "3d6b1c1e-6a0e-4f0e-8f57-0d6a9b1f7a02";
const START = "2026-11-22T10:00:00.000Z";
const LATER = "2026-11-22T10:05:00.000Z";

type Told = readonly [stream: string, type: string, data: AuditedEvent["data"], at?: string];

const enrolled: Told = ["agent-a", "AgentCertificateIssued", { agentId: "a", fingerprint: certificateFingerprint(agent.der) }];
const opened: Told = [`session-${SESSION}`, "SessionOpened", { sessionId: SESSION, agentId: "a" }];
const event = (type: string, data: AuditedEvent["data"] = {}): Told => [`session-${SESSION}`, type, data];
const authorised = (commandId: number, via = "simple"): Told => event("CommandAuthorized", { commandId, via });
const completed = (commandId: number, outcome = "succeeded"): Told => event("CommandCompleted", { commandId, outcome });
const ended = (cause = "client_closed"): Told => event("SessionEnded", { cause });
const nodeStarted: Told = ["node-one", "NodeStarted", {}, LATER];

function stated(commands: number, { final = true, by = agent, sequence = 1, agentId = "a" } = {}): Told {
  const statement = { agentId, sessionId: SESSION, sequence, commands, bytes: 10 * sequence, digest: "ab".repeat(32), final, at: START };
  const { at, ...rest } = statement;
  const signature = sign("sha256", signedBytes(statement), by.key).toString("base64");
  return [`forwarding-${SESSION}`, "ForwardingAttested", { ...rest, statedAt: at, certificate: by.der.toString("base64"), signature }];
}

function audit(...told: readonly Told[]): CompletenessReport {
  const completeness = new Completeness();
  for (const [stream, type, data, at = START] of told) completeness.add({ type, data, at }, stream);
  return completeness.report();
}

const gapsOf = (report: CompletenessReport): unknown[] => report.gaps.map(({ what, stated: by, recorded, outage }) => [what, by, recorded, outage]);

describe("the ledger against what agents state", () => {
  it("agrees when each command that was forwarded is recorded", () => {
    const report = audit(enrolled, opened, authorised(1), completed(1), authorised(2), completed(2, "failed"), ended(), stated(2), nodeStarted);
    assert.deepEqual(report, { complete: 1, pending: 0, gaps: [], moreGaps: 0 });
  });

  it("says nothing of a session whose statements were removed, be the decision after it or shown beside it", () => {
    const removed: Told = ["retention-1", "StreamsRemoved", { streams: [{ stream: `forwarding-${SESSION}` }] }, LATER];
    const ran = [enrolled, opened, authorised(1), completed(1), ended(), nodeStarted] as const;
    assert.deepEqual(gapsOf(audit(...ran)), [["statement_missing", -1, [1, 1], undefined]]);
    assert.deepEqual(audit(...ran, removed), { complete: 0, pending: 0, gaps: [], moreGaps: 0 });
    const beside = new Completeness();
    beside.shown({ type: removed[1], data: removed[2], at: LATER });
    for (const [stream, type, data, at = START] of ran) beside.add({ type, data, at }, stream);
    assert.deepEqual(beside.report(), { complete: 0, pending: 0, gaps: [], moreGaps: 0 });
  });

  it("counts what was held once it is released, and not what was denied, or only bound", () => {
    const held = (id: number): Told => event("CommandHeld", { commandId: id, via: "execute" });
    const history = [held(1), event("CommandReleased", { commandId: 1 }), completed(1), held(2), event("CommandDenied", { commandId: 2 })];
    const bound = [authorised(3, "bind"), completed(3), authorised(4), event("CommandDenied", { commandId: 4 })];
    assert.equal(audit(enrolled, opened, ...history, ...bound, ended(), stated(1), nodeStarted).complete, 1);
    assert.deepEqual(gapsOf(audit(enrolled, opened, ...history, ...bound, ended(), stated(2))), [["forwarded_unrecorded", 2, [1, 1], undefined]]);
  });

  it("allows either for what was authorised and has no result", () => {
    for (const count of [1, 2, 3]) {
      assert.equal(
        audit(enrolled, opened, authorised(1), completed(1), authorised(2), completed(2, "unknown"), authorised(3), ended(), stated(count)).complete,
        1,
      );
    }
  });

  it("shows a command that reached the target and is in no event", () => {
    assert.deepEqual(gapsOf(audit(enrolled, opened, authorised(1), completed(1), ended(), stated(2))), [["forwarded_unrecorded", 2, [1, 1], undefined]]);
    assert.deepEqual(gapsOf(audit(enrolled, opened, authorised(1), stated(2, { final: false }))), [["forwarded_unrecorded", 2, [0, 1], undefined]]);
  });

  it("shows results of commands that no agent forwarded", () => {
    const report = audit(enrolled, opened, authorised(1), completed(1), authorised(2), completed(2), ended(), stated(1));
    assert.deepEqual(gapsOf(report), [["recorded_unforwarded", 1, [2, 2], undefined]]);
  });

  it("shows statements that the session's agent did not sign", () => {
    const history = [enrolled, opened, authorised(1), completed(1), ended()];
    const forged = ["statement_forged", 1, [1, 1], undefined];
    assert.deepEqual(gapsOf(audit(...history, stated(1, { by: stranger }))), [forged]);
    assert.deepEqual(gapsOf(audit(...history, stated(1, { agentId: "b" }))), [forged]);
    const [stream, type, data] = stated(1);
    assert.deepEqual(gapsOf(audit(...history, [stream, type, { ...data, commands: 1, bytes: 11 }])), [forged]);
  });

  it("tells an outage that is in the ledger from silence that nothing explains", () => {
    const history = [enrolled, opened, authorised(1), completed(1)];
    const lost: Told = ["agent-a", "AgentDisconnected", { agentId: "a", cause: "lost" }];
    assert.deepEqual(gapsOf(audit(...history, ended(), nodeStarted)), [["statement_missing", -1, [1, 1], undefined]]);
    assert.deepEqual(gapsOf(audit(...history, lost, ended(), nodeStarted)), [["statement_missing", -1, [1, 1], "the agent's link ended: lost"]]);
    assert.deepEqual(gapsOf(audit(...history, ended("agent_lost"), nodeStarted)), [["statement_missing", -1, [1, 1], "the session ended: agent_lost"]]);
  });

  it("waits for statements that may be on their way", () => {
    assert.equal(audit(enrolled, opened, authorised(1), completed(1), ended()).pending, 1);
    assert.equal(audit(enrolled, opened, authorised(1), completed(1), nodeStarted).pending, 1);
    assert.equal(audit(enrolled, opened, ended(), nodeStarted).complete, 1);
  });
});
