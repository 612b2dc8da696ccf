import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { eventTypes } from "../../domain/catalogue.ts";
import type { RecordedEvent } from "../../ledger/ledger.ts";
import { authorized } from "../testing/samples.ts";
import { MAX_SEARCHED_PARAMETER_CHARACTERS } from "./commands.projection.ts";
import { project, PROJECTED_PREFIXES } from "./project.ts";

const recorded = (stream: string, type: string, data: object, schemaVersion = 1): RecordedEvent => ({
  id: "00000000-0000-4000-8000-000000000000",
  stream,
  revision: 0n,
  position: 7n,
  type,
  data,
  metadata: { $correlationId: "c", actor: { kind: "system", id: "x" }, schemaVersion, at: "2026-11-22T10:00:00.000Z" },
  recordedAt: new Date("2026-11-22T10:00:00.000Z"),
});

describe("what an event changes in the read models", () => {
  it("is nothing for streams that they are not made of", () => {
    for (const stream of ["recording-1", "node-one", "log-checkpoints", "agentname-1", "toString-1", "nodash"])
      assert.deepEqual(project(recorded(stream, "Whatever", {})), { kind: "changes", changes: [] });
    assert.ok(!PROJECTED_PREFIXES.includes("recording-"));
  });

  it("is told as unreadable where the type is unknown, of a later release, in the wrong stream, or without its fields", () => {
    const odd = [
      recorded("session-1", "CommandDreamt", {}),
      recorded("agent-1", "AgentEnrolled", { agentId: "a", name: "n" }, 2),
      recorded("agent-1", "PolicyPublished", { version: "p1" }),
      recorded("session-1", "CommandAuthorized", {}),
      recorded("session-1", "CommandCompleted", { commandId: 1, maskedCells: { a: "many" } }),
      recorded("identity-1", "RolesChanged", { identityId: 5n }),
      recorded("policy-main", "PolicyProposed", { version: "p1", files: null }),
    ];
    for (const event of odd) assert.equal(project(event).kind, "unreadable", event.type);
  });

  it("never throws, whatever stands under the name of an event", () => {
    const data = [{}, { identity: null }, { facts: 1, decision: [] }, { maskedCells: null }, { command: {} }];
    for (const type of eventTypes) for (const prefix of PROJECTED_PREFIXES) for (const each of data) project(recorded(`${prefix}1`, type, each));
  });

  it("holds what people search by: the statement, parameters that are text, and what is touched", () => {
    const { data } = authorized(1, "select $1");
    const parameter = { typeOid: 25, format: "text", encoding: "utf8", bytes: 3 } as const;
    const parameters = [
      { ...parameter, value: "Zoë" },
      { ...parameter, value: null },
      { ...parameter, encoding: "hex", value: "ff00" },
      { ...parameter, value: "x".repeat(MAX_SEARCHED_PARAMETER_CHARACTERS) },
    ];
    const facts = { ...(data as { readonly facts: object }).facts, relationsWritten: ["shop.orders"] };
    const projection = project(recorded("session-s1", "CommandAuthorized", { ...data, parameters, facts }));
    assert.ok(projection.kind === "changes");
    assert.deepEqual(projection.changes[0]?.slice(-3), ["select $1", "Zoë", "SELECT shop.orders"]);
  });
});
