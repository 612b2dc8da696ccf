import { describe, it } from "node:test";
import { scenario } from "../given.ts";
import * as node from "./node.decider.ts";
import type { NodeEvent } from "./node.events.ts";

const given = scenario(node, "2026-11-22T10:00:00.000Z");
const started: NodeEvent = { type: "NodeStarted", data: { nodeId: "one", version: "0.1.0" } };
const stopped: NodeEvent = { type: "NodeStopped", data: { nodeId: "one" } };

describe("a control-plane node", () => {
  it("starts as often as it is started, also after a crash", () => {
    given().when({ type: "Start", nodeId: "one", version: "0.1.0" }).gives(started);
    given(started).when({ type: "Start", nodeId: "one", version: "0.1.0" }).gives(started);
  });

  it("stops once", () => {
    given(started).when({ type: "Stop", nodeId: "one" }).gives(stopped);
    given(started, stopped).when({ type: "Stop", nodeId: "one" }).gives();
  });

  it("records an outage of the ledger with its beginning, cause and cost", () => {
    given(started)
      .when({ type: "RecordFailClosed", nodeId: "one", cause: "disk full", since: "2026-11-22T09:59:00.000Z", refusedCommands: 3 })
      .gives(
        { type: "FailClosedEntered", data: { nodeId: "one", cause: "disk full", since: "2026-11-22T09:59:00.000Z" } },
        { type: "FailClosedLeft", data: { nodeId: "one", refusedCommands: 3 } },
      );
  });
});
