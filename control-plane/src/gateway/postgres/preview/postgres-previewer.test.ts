import assert from "node:assert/strict";
import { after, describe, it } from "node:test";
import type { Open, Preview } from "@sallyport/proto/gen/sallyport/tunnel/v1/tunnel";
import type { ChannelHandlers } from "@sallyport/proto/tunnel/channel";
import { noObligations } from "../../../domain/decision.ts";
import { plainFacts } from "../../../domain/facts.ts";
import type { RecordedCommand } from "../../../domain/session/session.events.ts";
import { recordCommand } from "../command-record.ts";
import { createStatementAnalyser } from "../facts/analyser.ts";
import { PostgresPreviewer } from "./postgres-previewer.ts";

const resource = { name: "orders", protocol: "postgres", labels: {}, agentId: "a1" };
const held = (sql: string): RecordedCommand =>
  recordCommand(
    1,
    {
      via: "simple",
      sql: Buffer.from(sql),
      parameterTypes: [],
      parameters: [],
      facts: { ...plainFacts, verbs: ["DELETE"], riskClass: "destructive", relationsWritten: ["orders"] },
      recordable: sql,
      redacted: false,
      leavesReadOnly: false,
    },
    { resource: "orders", requester: "ana" },
    0,
  ).command;
const command = held("delete from orders");
const analyser = createStatementAnalyser();
after(() => analyser.close());
const request = { previewId: "v1", command, requestedBy: "ana", resource, parameters: {}, obligations: noObligations, kind: "plan" as const };

/** An agent that answers each Open as it is told to. */
function agent(
  answer: (handlers: ChannelHandlers, open: Open) => void,
  { features = ["preview", "preview_plan", "preview_assigned"], isConnected = true }: { features?: readonly string[]; isConnected?: boolean } = {},
) {
  const closed: number[] = [];
  const links: ConstructorParameters<typeof PostgresPreviewer>[0] = {
    isConnected: () => isConnected,
    supports: (_agentId, feature) => features.includes(feature),
    open: (_agentId, open, handlers) => {
      queueMicrotask(() => answer(handlers, open));
      return { session: 1, send: () => true, post: () => undefined, consumed: () => undefined, close: () => void closed.push(1) };
    },
  };
  const previewer = new PostgresPreviewer(links, analyser);
  return { previewer, closed };
}

describe("a preview by way of an agent", () => {
  it("is refused before anything is asked of one that is away, or of a release without previews", () => {
    const unasked = (): void => assert.fail("asked");
    assert.throws(() => agent(unasked, { features: [] }).previewer.require(request), { code: "feature.unsupported", message: /Upgrade/ });
    assert.throws(() => agent(unasked, { isConnected: false }).previewer.require(request), { code: "agent.offline" });
    assert.throws(() => agent(unasked).previewer.require({ ...request, requestedBy: "eve" }), { code: "feature.unsupported" });
    agent(unasked).previewer.require(request);
    // It would show masked values in the columns that they are copied into.
    const older = agent(unasked, { features: ["preview", "preview_plan"] }).previewer;
    older.require(request);
    assert.throws(() => older.require({ ...request, kind: "dry_run" }), { code: "feature.unsupported", message: /mask what is copied.*Upgrade/ });
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

  it("tells an agent what a dry run puts into which column", async () => {
    const asked = async (sql: string): Promise<Preview["assigned"]> => {
      let opened: Open | undefined;
      const { previewer } = agent((handlers, open) => {
        opened = open;
        handlers.closed({ code: "preview.unsafe", message: "" });
      });
      await assert.rejects(previewer.look({ ...request, command: held(sql), kind: "dry_run" }));
      return opened?.preview?.assigned;
    };
    const of = (...columns: readonly [string, string, string][]): Preview["assigned"] => ({
      columns: columns.map(([name, table, column]) => ({ name, value: { plain: false, sources: [{ table, column }], opaque: false } })),
    });
    assert.deepEqual(await asked("update orders set note = c.email from customers c where c.id = 1"), of(["note", "customers", "email"]));
    assert.deepEqual(await asked("insert into orders select * from customers"), of(["*", "customers", "*"]));
    assert.deepEqual(await asked("update orders set note = 'x'"), { columns: [] });
    assert.deepEqual(await asked("update orders set note = own_function(1)"), {
      columns: [{ name: "note", value: { plain: false, sources: [], opaque: true } }],
    });
    // Nothing that was read: it may be anything.
    assert.equal(await asked("execute change_it"), undefined);
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
