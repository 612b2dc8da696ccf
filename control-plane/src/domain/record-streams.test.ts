import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { agentNameStream, agentStream } from "./agent/agent.events.ts";
import { approvalStream } from "./approval/approval.events.ts";
import { identityStream } from "./identity/identity.events.ts";
import { nodeStream } from "./node/node.events.ts";
import { policyStream } from "./policy/policy.events.ts";
import { isRecordStream } from "./record-streams.ts";
import { resourceStream } from "./resource/resource.events.ts";
import { recordingStream } from "./session/recording.events.ts";
import { sessionStream } from "./session/session.events.ts";

describe("a stream of the record", () => {
  it("is known by its name, whichever aggregate it belongs to", () => {
    const names = [agentNameStream, agentStream, approvalStream, identityStream, nodeStream, policyStream, resourceStream, recordingStream, sessionStream];
    for (const name of names) assert.ok(isRecordStream(name("x-1")), name("x-1"));
    for (const other of ["orders-1", "session", "sessions-1", "$$session-1", "$stats-1", ""]) assert.ok(!isRecordStream(other), other);
  });
});
