import assert from "node:assert/strict";
import { readdirSync, readFileSync } from "node:fs";
import { describe, it } from "node:test";
import { type ErrorCode, SallyportError } from "@sallyport/proto/errors";
import { z } from "zod";
import * as agent from "./agent/agent.decider.ts";
import * as approval from "./approval/approval.decider.ts";
import { classificationOf, eventTypes, isEventType, schemaVersionOf, type StoredEvent, upcast, validate } from "./catalogue.ts";
import { fieldsOf, open } from "./classification.ts";
import type { DomainEvent } from "./events.ts";
import * as erasure from "./erasure/erasure.decider.ts";
import * as forwarding from "./forwarding/forwarding.decider.ts";
import * as grant from "./grant/grant.decider.ts";
import * as identity from "./identity/identity.decider.ts";
import * as integrity from "./integrity/integrity.decider.ts";
import * as node from "./node/node.decider.ts";
import type { PolicyEvent } from "./policy/policy.events.ts";
import * as policy from "./policy/policy.decider.ts";
import * as resource from "./resource/resource.decider.ts";
import type { SchemaMismatch } from "./schemas.ts";
import * as retention from "./retention/retention.decider.ts";
import * as session from "./session/session.decider.ts";

const goldenFolder = new URL("../../../test/fixtures/events/", import.meta.url);

interface Golden extends StoredEvent {
  readonly file: string;
}

/** `<Type>.v<version>.json` holds stream, data and metadata as they were written by that version. */
const goldens: readonly Golden[] = readdirSync(goldenFolder)
  .filter((file) => file.endsWith(".json"))
  .map((file) => {
    const stored = JSON.parse(readFileSync(new URL(file, goldenFolder), "utf8")) as Omit<StoredEvent, "revision">;
    return { ...stored, revision: 0n, file };
  });

const golden = (type: DomainEvent["type"]): DomainEvent => {
  const found = goldens.find((each) => each.type === type);
  assert.ok(found, `no golden file of ${type}`);
  return upcast(found);
};

/** All paths to a leaf of a value, with `*` for members of lists; tables stay whole. */
function pathsIn(value: unknown, known: ReadonlySet<string>, path = ""): string[] {
  if (known.has(path) || typeof value !== "object" || value === null) return [path];
  if (Array.isArray(value)) return [...new Set(value.flatMap((member) => pathsIn(member, known, `${path}.*`)))];
  return Object.entries(value).flatMap(([name, member]) => pathsIn(member, known, path === "" ? name : `${path}.${name}`));
}

describe("the event catalogue", () => {
  it("has a schema that says exactly what the type says, for each event", () => {
    const mismatch: SchemaMismatch[] = [];
    const none: never[] = mismatch; // does not compile when a schema misses a field or allows less
    assert.deepEqual(none, []);
  });

  for (const type of eventTypes) {
    it(`classifies every field of ${type}, and none as secret`, () => {
      const fields = classificationOf(type);
      assert.ok(fields.size > 0);
      for (const [path, classification] of fields)
        assert.ok(["public", "sensitive", "personal"].includes(String(classification)), `${type}.${path} is ${String(classification)}`);
    });
  }

  it("shows a field that nobody classified", () => {
    const schema = z.strictObject({ known: open(z.string()), forgotten: z.array(z.strictObject({ inner: z.string() })) });
    assert.deepEqual(
      [...fieldsOf(schema)],
      [
        ["known", "public"],
        ["forgotten.*.inner", undefined],
      ],
    );
  });

  it("refuses a field that no schema knows, at any depth", () => {
    const event = golden("CommandAuthorized");
    assert.ok(event.type === "CommandAuthorized");
    const planted = { ...event, data: { ...event.data, facts: { ...event.data.facts, password: "x" } } };
    assert.throws(
      () => validate(planted),
      (error) => error instanceof SallyportError && error.code === "ledger.corrupt" && error.message.includes("password"),
    );
  });

  it("refuses an unknown type and a version from the future, naming the place", () => {
    const at = { stream: "agent-1", revision: 7n, data: {} };
    const refused =
      (code: ErrorCode) =>
      (error: unknown): boolean =>
        error instanceof SallyportError && error.code === code && error.details["stream"] === "agent-1" && error.details["revision"] === "7";
    assert.throws(() => upcast({ ...at, type: "AgentPromoted", metadata: { schemaVersion: 1 } }), refused("ledger.newer"));
    assert.throws(() => upcast({ ...at, type: "toString", metadata: { schemaVersion: 1 } }), refused("ledger.newer"));
    assert.throws(() => upcast({ ...at, type: "AgentEnrolled", metadata: { schemaVersion: 2 } }), refused("ledger.newer"));
    assert.throws(() => upcast({ ...at, type: "AgentEnrolled", metadata: { schemaVersion: 0 } }), refused("ledger.corrupt"));
  });
});

describe("golden events", () => {
  it("cover every version of every type", () => {
    const expected = eventTypes.flatMap((type) => Array.from({ length: schemaVersionOf(type) }, (_, i) => `${type}.v${String(i + 1)}.json`));
    assert.deepEqual(goldens.map(({ file }) => file).toSorted(), expected.toSorted());
    for (const { file, type, metadata } of goldens) assert.equal(file, `${type}.v${String(metadata.schemaVersion)}.json`);
  });

  for (const stored of goldens) {
    it(`${stored.file} still reads as today's event, with every field in it`, () => {
      const event = upcast(stored);
      validate(event);
      assert.ok(isEventType(stored.type));
      const known = new Set(classificationOf(stored.type).keys());
      const found = pathsIn(event.data, known);
      // A field that a later version brought is not in the files of those before.
      if (stored.metadata.schemaVersion === schemaVersionOf(stored.type)) assert.deepEqual(found.toSorted(), [...known].toSorted());
      else for (const path of found) assert.ok(known.has(path), path);
    });
  }

  it("fold to the states that they always folded to", () => {
    const fold = <S, E extends DomainEvent>({ evolve, initialState }: { evolve: (state: S, event: E) => S; initialState: S }, ...types: E["type"][]): S =>
      types.map((type) => golden(type) as E).reduce(evolve, initialState);

    const agents = fold(agent, "JoinTokenIssued", "AgentEnrolled", "AgentCertificateIssued", "AgentConnected");
    assert.deepEqual([agents.status, agents.connected, agents.certificateNotAfter], ["enrolled", true, "2026-11-23T10:00:00.000Z"]);
    assert.equal(fold(agent, "JoinTokenIssued", "AgentEnrolled", "AgentConnected", "AgentDisconnected", "AgentRevoked").status, "revoked");
    const asked = ["ApprovalRequested", "ApprovalGiven", "ApprovalGranted"] as const;
    assert.equal(fold(approval, ...asked, "ApprovalConsumed").value, "consumed");
    assert.equal(fold(approval, ...asked, "ApprovalRevoked").value, "revoked");
    assert.equal(fold(approval, "ApprovalRequested", "ApprovalDenied").value, "denied");
    assert.equal(fold(approval, "ApprovalRequested", "ApprovalExpired").value, "expired");
    assert.equal(fold(approval, "ApprovalRequested", "ApprovalWithdrawn").value, "withdrawn");
    assert.equal(fold(erasure, "ErasureRequested", "ErasureDenied").value, "denied");
    const attested = { agentId: "7b0c1a52-8d1e-4f57-8f3b-2f9f1c4ad002", sequence: 2, commands: 7, bytes: 412, final: true };
    assert.deepEqual(fold(forwarding, "ForwardingAttested"), attested);
    const access = ["AccessRequested", "AccessApproved", "AccessGranted", "GrantUsed"] as const;
    assert.deepEqual([fold(grant, ...access).value, fold(grant, ...access).context.grant?.endsAt], ["open", "2026-11-22T10:35:00.000Z"]);
    assert.equal(fold(grant, ...access, "GrantExpired").value, "expired");
    assert.equal(fold(grant, ...access, "GrantRevoked").value, "revoked");
    assert.equal(fold(grant, "AccessRequested", "AccessDenied").value, "denied");
    assert.equal(fold(grant, "AccessRequested", "AccessRequestWithdrawn").value, "withdrawn");
    assert.equal(fold(grant, "AccessRequested", "AccessRequestExpired").value, "lapsed");
    const ana = fold(identity, "IdentityProvisioned", "RolesChanged", "TokenIssued", "SignInFailed");
    assert.deepEqual([ana.status, ana.groups, ana.tokens.size], ["active", ["dba", "engineers"], 1]);
    assert.deepEqual(
      [fold(identity, "IdentityProvisioned", "TokenIssued", "TokenRevoked", "IdentityDisabled")].map(({ status, tokens }) => [status, tokens.size]),
      [["disabled", 0]],
    );
    assert.equal(fold(integrity, "CheckpointSigned").treeSize, 2);
    assert.match(fold(integrity, "CheckpointSigned", "SigningKeyRotated").key, /\+d74f20a3\+/);
    assert.deepEqual(fold(node, "NodeStarted", "FailClosedEntered"), { status: "running", failClosed: true });
    assert.deepEqual(fold(node, "NodeStarted", "FailClosedEntered", "FailClosedLeft", "NodeStopped"), { status: "stopped", failClosed: false });
    const foldPolicy = (...types: PolicyEvent["type"][]): policy.PolicyState =>
      types
        .map((type) => upcast(goldens.findLast((each) => each.type === type) ?? assert.fail(type)) as PolicyEvent)
        .reduce(policy.evolve, policy.initialState);
    const agreed = ["PolicyProposed", "PolicyTried", "PolicyApproved"] as const;
    const lifeOf = (state: policy.PolicyState): unknown => state.versions.get("p0123456789ab")?.value;
    assert.equal(foldPolicy(...agreed, "PolicyPublished").published, "p0123456789ab");
    assert.equal(lifeOf(foldPolicy(...agreed, "PolicyPublished", "PolicyRetired")), "retired");
    assert.equal(lifeOf(foldPolicy(...agreed)), "approved");
    assert.equal(lifeOf(foldPolicy(...agreed, "PolicyRejected")), "rejected");
    assert.equal(lifeOf(foldPolicy(...agreed, "PolicyProposalWithdrawn")), "withdrawn");
    assert.equal(lifeOf(foldPolicy(...agreed, "PolicySuperseded")), "superseded");
    // As releases before this life wrote it: whoever published was alone in it.
    const firstVersions = goldens.filter(({ file }) => ["PolicyProposed.v1.json", "PolicyPublished.v1.json"].includes(file)).map(upcast) as PolicyEvent[];
    assert.equal(firstVersions.reduce(policy.evolve, policy.initialState).published, "p0123456789ab");
    assert.equal(fold(resource, "ResourceRegistered", "ResourceChanged").labels["tier"], "gold");
    assert.equal(fold(resource, "ResourceRegistered", "ResourceRetired").status, "retired");
    assert.deepEqual(fold(retention, "RetentionStarted", "StreamsRemoved").events, 12);
    assert.equal(fold(retention, "RetentionStarted", "StreamsRemoved", "RetentionFinished").phase, "finished");
    const opened = ["SessionRequested", "SessionOpened"] as const;
    assert.equal(fold(session, "SessionRequested", "SessionRefused").phase, "refused");
    assert.deepEqual(
      fold(session, ...opened, "CommandAuthorized", "SessionContinued", "CommandCompleted", "CommandHeld", "CommandReleased").inFlight.map(
        ({ status }) => status,
      ),
      ["running"],
    );
    assert.deepEqual(fold(session, ...opened, "CommandAuthorized", "CommandDenied", "SessionEnded").phase, "ended");
  });
});
