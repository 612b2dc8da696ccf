import assert from "node:assert/strict";
import { describe, it } from "node:test";
import type { Open } from "@sallyport/proto/gen/sallyport/tunnel/v1/tunnel";
import type { ChannelHandlers } from "@sallyport/proto/tunnel/channel";
import { noObligations } from "../../../domain/decision.ts";
import { plainFacts } from "../../../domain/facts.ts";
import { recordCommand } from "../command-record.ts";
import { PostgresPreviewer } from "./postgres-previewer.ts";

const resource = { name: "orders", protocol: "postgres", labels: {}, agentId: "a1" };
const { command } = recordCommand(
  1,
  {
    via: "simple",
    sql: Buffer.from("delete from orders"),
    parameterTypes: [],
    parameters: [],
    facts: { ...plainFacts, verbs: ["DELETE"], riskClass: "destructive", relationsWritten: ["orders"] },
    recordable: "delete from orders",
    redacted: false,
    leavesReadOnly: false,
  },
  { resource: "orders", requester: "ana" },
  0,
);
const request = { previewId: "v1", command, requestedBy: "ana", resource, parameters: {}, obligations: noObligations, kind: "plan" as const };

/** An agent that answers each Open as it is told to. */
function agent(answer: (handlers: ChannelHandlers, open: Open) => void, { supports = true, isConnected = true } = {}) {
  const closed: number[] = [];
  const previewer = new PostgresPreviewer({
    isConnected: () => isConnected,
    supports: () => supports,
    open: (_agentId, open, handlers) => {
      queueMicrotask(() => answer(handlers, open));
      return { session: 1, send: () => true, post: () => undefined, consumed: () => undefined, close: () => void closed.push(1) };
    },
  });
  return { previewer, closed };
}

describe("a preview by way of an agent", () => {
  it("is refused before anything is asked of one that is away, or of a release without previews", () => {
    const unasked = (): void => assert.fail("asked");
    assert.throws(() => agent(unasked, { supports: false }).previewer.require(request), { code: "feature.unsupported", message: /Upgrade/ });
    assert.throws(() => agent(unasked, { isConnected: false }).previewer.require(request), { code: "agent.offline" });
    assert.throws(() => agent(unasked).previewer.require({ ...request, requestedBy: "eve" }), { code: "feature.unsupported" });
    agent(unasked).previewer.require(request);
  });

  it("asks for the very statement, and for nothing but what is wanted", async () => {
    let opened: Open | undefined;
    const { previewer, closed } = agent((handlers, open) => {
      opened = open;
      handlers.control({ $case: "previewed", value: { plan: "Delete on orders", dryRun: undefined, steps: [] } });
    });
    assert.deepEqual(await previewer.look(request), { plan: "Delete on orders", dryRun: undefined });
    assert.deepEqual(opened?.preview, { statement: "delete from orders", parameters: [], dryRun: false, steps: [] });
    assert.equal(closed.length, 1);
  });

  it("fails with the agent's reason, and on an answer that is none", async () => {
    const refusing = agent((handlers) => handlers.closed({ code: "preview.unsafe", message: "The trigger audits would fire." }));
    await assert.rejects(refusing.previewer.look(request), { code: "preview.unsafe", message: "The trigger audits would fire." });
    const opening = agent((handlers) => handlers.control({ $case: "opened", value: { greeting: Buffer.alloc(0), transport: "", credit: 0 } }));
    await assert.rejects(opening.previewer.look(request), { code: "preview.failed" });
    assert.equal(opening.closed.length, 1);
    const partial = agent((handlers) => handlers.control({ $case: "previewed", value: { plan: "", dryRun: undefined, steps: [] } }));
    await assert.rejects(partial.previewer.look({ ...request, kind: "dry_run" }), { code: "preview.failed" });
  });
});
