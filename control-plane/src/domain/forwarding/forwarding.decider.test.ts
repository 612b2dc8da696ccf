import { describe, it } from "node:test";
import { scenario } from "../given.ts";
import * as forwarding from "./forwarding.decider.ts";
import type { ForwardingEvent } from "./forwarding.events.ts";

const statement: ForwardingEvent["data"] = {
  agentId: "a-1",
  sessionId: "s-1",
  sequence: 1,
  commands: 2,
  bytes: 100,
  digest: "ab".repeat(32),
  final: false,
  statedAt: "2026-11-22T10:00:00.000Z",
  certificate: "MIIB",
  signature: "MEUC",
};
const attested = (over: Partial<ForwardingEvent["data"]> = {}): ForwardingEvent => ({ type: "ForwardingAttested", data: { ...statement, ...over } });
const attest = (over: Partial<ForwardingEvent["data"]> = {}): forwarding.ForwardingCommand => ({ type: "Attest", statement: { ...statement, ...over } });

const given = scenario(forwarding, "2026-11-22T10:00:01.000Z");

describe("an agent's statements about a session", () => {
  it("are recorded as they come, though some of them be missing", () => {
    given().when(attest()).gives(attested());
    given(attested())
      .when(attest({ sequence: 4, commands: 5, bytes: 200, final: true }))
      .gives(attested({ sequence: 4, commands: 5, bytes: 200, final: true }));
  });

  it("are recorded once, however often they are made", () => {
    given(attested({ sequence: 3 }))
      .when(attest({ sequence: 3 }))
      .gives();
    given(attested({ sequence: 3 }))
      .when(attest({ sequence: 1, commands: 0 }))
      .gives();
    given(attested({ final: true }))
      .when(attest({ final: true }))
      .gives();
  });

  it("are one agent's", () => {
    given(attested())
      .when(attest({ agentId: "a-2", sequence: 2 }))
      .fails("tunnel.violation");
  });

  it("take nothing back, and end with the last one", () => {
    given(attested())
      .when(attest({ sequence: 2, commands: 1 }))
      .fails("tunnel.violation");
    given(attested())
      .when(attest({ sequence: 2, bytes: 99 }))
      .fails("tunnel.violation");
    given(attested({ final: true }))
      .when(attest({ sequence: 2, commands: 9, bytes: 900 }))
      .fails("tunnel.violation");
  });
});
