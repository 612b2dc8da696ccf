import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { getShortestPaths } from "xstate/graph";
import { scenario } from "../given.ts";
import * as delegation from "./delegation.decider.ts";
import type { DelegationEvent } from "./delegation.events.ts";
import { delegationMachine } from "./delegation.machine.ts";

const given = scenario(delegation, "2026-11-22T10:00:00.000Z");
const startsAt = "2026-11-22T10:00:00.000Z";
const endsAt = "2026-11-22T18:00:00.000Z";
const delegationId = "d1";
const event: DelegationEvent = { type: "DelegationGiven", data: { delegationId, from: "bo", to: "di", reason: "at the dentist", startsAt, endsAt } };
const ended: DelegationEvent = { type: "DelegationEnded", data: { delegationId, by: "bo", reason: "back" } };
const expired: DelegationEvent = { type: "DelegationExpired", data: { delegationId, endsAt } };
const person = (id: string) => ({ id, kind: "human" }) as const;
const give = { type: "Give", delegationId, by: person("bo"), to: person("di"), startsAt: undefined, seconds: 28_800, reason: "at the dentist" } as const;
const end = { type: "End", by: "bo", reason: "back" } as const;

describe("a delegation", () => {
  it("is given by one person to another, with an end", () => {
    given().when(give).gives(event);
    given(event).when(give).gives();
  });

  it("is not given by or to a machine, to oneself, to nobody, by somebody in another's place, without a reason or an end", () => {
    const robot = { id: "robot", kind: "machine" } as const;
    given()
      .when({ ...give, by: robot })
      .fails("approval.machine");
    given()
      .when({ ...give, to: robot })
      .fails("approval.machine");
    given()
      .when({ ...give, to: person("bo") })
      .fails("input.invalid");
    given()
      .when({ ...give, to: undefined })
      .fails("input.invalid");
    given()
      .when({ ...give, by: { ...person("bo"), onBehalfOf: "cy" } })
      .fails("auth.forbidden");
    given()
      .when({ ...give, reason: " " })
      .fails("input.invalid");
    for (const seconds of [0, -1, 1.5, delegation.MAX_DELEGATION_SECONDS + 1])
      given()
        .when({ ...give, seconds })
        .fails("input.invalid");
    given()
      .when({ ...give, seconds: delegation.MAX_DELEGATION_SECONDS })
      .gives({ ...event, data: { ...event.data, endsAt: "2026-12-22T10:00:00.000Z" } });
  });

  it("may begin later, half a year ahead at most, and lasts from then on", () => {
    const christmas = { startsAt: "2026-12-24T08:00:00.000Z", endsAt: "2026-12-24T16:00:00.000Z" };
    const later: DelegationEvent = { ...event, data: { ...event.data, ...christmas } };
    given()
      .when({ ...give, startsAt: new Date(christmas.startsAt) })
      .gives(later);
    given()
      .when({ ...give, startsAt: new Date(startsAt) })
      .gives(event);
    const latest = Date.parse(startsAt) + delegation.MAX_DELEGATION_AHEAD_SECONDS * 1_000;
    given()
      .when({ ...give, startsAt: new Date(latest), seconds: 1 })
      .gives({ ...event, data: { ...event.data, startsAt: "2027-05-24T10:00:00.000Z", endsAt: "2027-05-24T10:00:01.000Z" } });
    for (const wrong of [Date.parse(startsAt) - 1, latest + 1, NaN])
      given()
        .when({ ...give, startsAt: new Date(wrong) })
        .fails("input.invalid");
  });

  it("is taken back before it begins as well as after", () => {
    const later: DelegationEvent = { ...event, data: { ...event.data, startsAt: "2026-11-22T17:00:00.000Z" } };
    given(later).when(end).gives(ended);
    given(later).when({ type: "Expire" }, "2026-11-22T17:00:00.000Z").gives();
  });

  it("ends once: when it is taken back, or on time", () => {
    given(event).when(end).gives(ended);
    given(event).when(end, endsAt).fails("approval.already_decided");
    given(event, ended).when(end).fails("approval.already_decided");
    given(event).when({ type: "Expire" }).gives();
    given(event).when({ type: "Expire" }, endsAt).gives(expired);
    given(event, ended).when({ type: "Expire" }, endsAt).gives();
    given().when(end).fails("approval.not_found");
  });

  it("takes no event that another state takes, on any path", () => {
    const paths = getShortestPaths(delegationMachine, {
      events: [event, { ...event, data: { ...event.data, to: "bo" } }, ended, expired],
      serializeState: ({ value }) => value,
    });
    assert.deepEqual(new Set(paths.map(({ state }) => state.value)), new Set(Object.keys(delegationMachine.states)));
    for (const { state } of paths) {
      if (!state.matches("open")) assert.ok(![ended, expired].some((next) => state.can(next)));
      if (!state.matches("absent")) assert.ok(!state.can(event));
    }
  });
});
