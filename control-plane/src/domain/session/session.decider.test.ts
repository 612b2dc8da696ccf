import { plainFacts } from "../facts.ts";
import assert from "node:assert/strict";
import { describe, it } from "node:test";
import fc from "fast-check";
import { noObligations } from "../decision.ts";
import { scenario } from "../given.ts";
import * as session from "./session.decider.ts";
import type { RecordedCommand, SessionEvent } from "./session.events.ts";

const given = scenario(session, "2026-11-22T10:00:00.000Z");
const sessionId = "0f6f1f0e-3a55-4c0e-9f5e-0d6a9b1f7a01";
const decision = { policyVersion: "p1", rules: ["r1"], reason: "because" };
const facts = {
  ...plainFacts,
  verbs: ["SELECT"],
} as const;

const command = (commandId: number, digest = "d1"): RecordedCommand => ({
  commandId,
  via: "simple",
  statement: "select 1",
  statementBytes: 8,
  redacted: false,
  parameters: [],
  digest,
  facts,
});

type Data<T extends SessionEvent["type"]> = Extract<SessionEvent, { type: T }>["data"];
const requested: SessionEvent = {
  type: "SessionRequested",
  data: {
    sessionId,
    nodeId: "one",
    identity: { id: "ana", kind: "human", groups: [] },
    tokenId: "t1",
    resource: "orders",
    protocol: "postgres",
    clientAddress: "192.0.2.1:1",
    application: "psql",
    transport: "TLSv1.3",
    parameters: {},
  },
};
const opened: SessionEvent = { type: "SessionOpened", data: { sessionId, agentId: "a1", decision } };
const open = [requested, opened] as const;
const authorize = (id: number): Data<"CommandAuthorized"> => ({ ...command(id), decision, obligations: noObligations });
const deny = (id: number, code = "policy.denied"): Data<"CommandDenied"> => ({ ...command(id), decision, code });
const hold = (id: number): Data<"CommandHeld"> => ({ ...command(id), decision, approvalId: "ap1", expiresAt: "2026-11-22T10:10:00.000Z" });
const release = (id: number, digest = "d1", approvalId = "ap1"): Data<"CommandReleased"> => ({
  commandId: id,
  approvalId,
  digest,
  approvers: ["bo"],
  obligations: noObligations,
});
const complete = (id: number, outcome: "succeeded" | "unknown" = "succeeded"): Data<"CommandCompleted"> => ({
  commandId: id,
  outcome,
  tag: "",
  rows: 0,
  withheldRows: 0,
  bytes: 0,
  maskedCells: {},
  resultDigest: "",
  durationMicros: 0,
});
const authorized = (id: number): SessionEvent => ({ type: "CommandAuthorized", data: authorize(id) });
const held = (id: number): SessionEvent => ({ type: "CommandHeld", data: hold(id) });
const denied = (id: number, code?: string): SessionEvent => ({ type: "CommandDenied", data: deny(id, code) });
const released = (id: number): SessionEvent => ({ type: "CommandReleased", data: release(id) });
const completed = (id: number, outcome?: "unknown"): SessionEvent => ({ type: "CommandCompleted", data: complete(id, outcome) });
const end = { sessionId, cause: "client_closed", message: "", bytesToTarget: 1, bytesToClient: 2 } as const;
const ended = (commands: number): SessionEvent => ({ type: "SessionEnded", data: { ...end, commands } });

describe("opening a session", () => {
  it("is requested, then opened or refused", () => {
    given().when({ type: "Request", data: requested.data }).gives(requested);
    given(requested)
      .when({ type: "Open", data: { sessionId, agentId: "a1", decision } })
      .gives(opened);
    const refusal = { sessionId, code: "policy.denied", message: "no" };
    given(requested).when({ type: "Refuse", data: refusal }).gives({ type: "SessionRefused", data: refusal });
  });

  it("goes on with another grant while it is open, and not before or after", () => {
    const data = { sessionId, decision, formerGrantId: "g1", grantId: "g2" };
    given(...open)
      .when({ type: "Continue", data })
      .gives({ type: "SessionContinued", data });
    given(requested).when({ type: "Continue", data }).isDefect();
    given(requested, { type: "SessionRefused", data: { sessionId, code: "policy.denied", message: "no" } })
      .when({ type: "Continue", data })
      .isDefect();
  });

  it("lets no command in before it is open", () => {
    given(requested)
      .when({ type: "Authorize", data: authorize(1) })
      .isDefect();
    given(...open)
      .when({ type: "Open", data: { sessionId, agentId: "a1", decision } })
      .isDefect();
  });
});

describe("a command", () => {
  it("is authorised and completed once", () => {
    given(...open)
      .when({ type: "Authorize", data: authorize(1) })
      .gives(authorized(1));
    const state = given(...open, authorized(1))
      .when({ type: "Complete", data: complete(1) })
      .gives(completed(1));
    assert.deepEqual(state.inFlight, []);
    given(...open, authorized(1), completed(1))
      .when({ type: "Complete", data: complete(1) })
      .isDefect();
  });

  it("takes an id that was never used, in rising order (S1)", () => {
    given(...open, authorized(2), completed(2))
      .when({ type: "Authorize", data: authorize(2) })
      .isDefect();
    given(...open, denied(2))
      .when({ type: "Deny", data: deny(2) })
      .isDefect();
    given(...open, authorized(2))
      .when({ type: "Hold", data: hold(1) })
      .isDefect();
    given(...open)
      .when({ type: "Authorize", data: authorize(0) })
      .isDefect();
  });

  it("that was denied never completes", () =>
    given(...open, denied(1))
      .when({ type: "Complete", data: complete(1) })
      .isDefect());

  it("that is held neither completes nor runs before it is released (S3)", () =>
    given(...open, held(1))
      .when({ type: "Complete", data: complete(1) })
      .isDefect());

  it("is released only under the digest and the approval that it was held with (S2)", () => {
    given(...open, held(1))
      .when({ type: "Release", data: release(1) })
      .gives(released(1));
    given(...open, held(1))
      .when({ type: "Release", data: release(1, "d2") })
      .fails("approval.drift");
    given(...open, held(1))
      .when({ type: "Release", data: release(1, "d1", "ap2") })
      .fails("approval.drift");
    given(...open, held(1), released(1))
      .when({ type: "Release", data: release(1) })
      .isDefect();
    given(...open, authorized(1))
      .when({ type: "Release", data: release(1) })
      .isDefect();
  });

  it("that was released completes", () => {
    given(...open, held(1), released(1))
      .when({ type: "Complete", data: complete(1) })
      .gives(completed(1));
  });

  it("that was held can be denied, once, and no more once it runs", () => {
    given(...open, held(1))
      .when({ type: "Deny", data: deny(1, "approval.denied") })
      .gives(denied(1, "approval.denied"));
    given(...open, held(1), denied(1))
      .when({ type: "Deny", data: deny(1) })
      .isDefect();
    given(...open, held(1), released(1))
      .when({ type: "Deny", data: deny(1, "approval.denied") })
      .isDefect();
  });

  it("that was authorised but never sent, because the record failed, is denied after the fact", () => {
    const state = given(...open, authorized(1))
      .when({ type: "Deny", data: deny(1, "ledger.unavailable") })
      .gives(denied(1, "ledger.unavailable"));
    assert.deepEqual(state.inFlight, []);
  });

  it("is refused when too many wait for their results", () => {
    const full = Array.from({ length: session.MAX_IN_FLIGHT_COMMANDS }, (_, i) => authorized(i + 1));
    given(...open, ...full)
      .when({ type: "Authorize", data: authorize(session.MAX_IN_FLIGHT_COMMANDS + 1) })
      .fails("session.limit");
  });
});

describe("the end of a session", () => {
  it("completes what runs as unknown, and says how many commands there were (S4)", () => {
    given(...open, authorized(1), denied(2), held(3), authorized(4))
      .when({ type: "End", data: end })
      .gives(completed(1, "unknown"), completed(4, "unknown"), ended(4));
  });

  it("comes once, and lets nothing follow", () => {
    given(...open, ended(0))
      .when({ type: "End", data: end })
      .gives();
    given(...open, ended(0))
      .when({ type: "Authorize", data: authorize(1) })
      .fails("session.ended");
    given(...open, authorized(1), ended(1))
      .when({ type: "Complete", data: complete(1) })
      .fails("session.ended");
  });

  it("may come before it opened, but not after it was refused", () => {
    given(requested).when({ type: "End", data: end }).gives(ended(0));
    given(requested, { type: "SessionRefused", data: { sessionId, code: "x", message: "" } })
      .when({ type: "End", data: end })
      .gives();
  });
});

describe("any history that the rules allow", () => {
  it("keeps in memory only what is in flight, and pairs each execution with one completion", () => {
    const step = fc.record({ what: fc.constantFrom("Authorize", "Hold", "Deny", "Release", "Complete", "DenyHeld"), pick: fc.nat(7) });
    fc.assert(
      fc.property(fc.array(step, { maxLength: 60 }), (steps) => {
        let state = [...open].reduce(session.evolve, session.initialState);
        const events: SessionEvent[] = [];
        const play = (next: session.SessionCommand): void => {
          const decided = session.decide(next, state);
          events.push(...decided);
          state = decided.reduce(session.evolve, state);
        };
        for (const { what, pick } of steps) {
          const target = state.inFlight[pick % Math.max(1, state.inFlight.length)];
          const id = state.lastCommandId + 1 + (pick % 2);
          if (what === "Authorize") play({ type: "Authorize", data: authorize(id) });
          else if (what === "Hold") play({ type: "Hold", data: hold(id) });
          else if (what === "Deny") play({ type: "Deny", data: deny(id) });
          else if (what === "Release" && target?.status === "held") play({ type: "Release", data: release(target.commandId) });
          else if (what === "Complete" && target?.status === "running") play({ type: "Complete", data: complete(target.commandId) });
          else if (what === "DenyHeld" && target?.status === "held") play({ type: "Deny", data: deny(target.commandId) });
        }
        play({ type: "End", data: end });
        const ids = (...types: SessionEvent["type"][]) =>
          events
            .filter(({ type }) => types.includes(type))
            .map(({ data }) => ("commandId" in data ? data.commandId : 0))
            .toSorted((a, b) => a - b);
        assert.deepEqual(ids("CommandCompleted"), ids("CommandAuthorized", "CommandReleased"));
        assert.equal(state.phase, "ended");
        assert.deepEqual(state.inFlight, []);
        assert.equal(state.commands, new Set(ids("CommandAuthorized", "CommandHeld", "CommandDenied")).size);
      }),
    );
  });
});
