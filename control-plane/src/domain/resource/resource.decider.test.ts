import { describe, it } from "node:test";
import { scenario } from "../given.ts";
import * as resource from "./resource.decider.ts";
import type { ResourceEvent } from "./resource.events.ts";

const given = scenario(resource, "2026-11-22T10:00:00.000Z");
const orders = { name: "orders", protocol: "postgres", labels: { tier: "gold" } };
const registered: ResourceEvent = { type: "ResourceRegistered", data: { ...orders, agentId: "a1" } };
const retired: ResourceEvent = { type: "ResourceRetired", data: { name: "orders", agentId: "a1" } };
const offer = { type: "Offer", resource: orders, agentId: "a1", ownerGone: false } as const;

describe("offering a resource", () => {
  it("registers it, and again after it was retired", () => {
    given().when(offer).gives(registered);
    given(registered, retired).when(offer).gives(registered);
  });

  it("changes nothing when nothing changed, whatever the order of the labels", () => {
    const two = { ...orders, labels: { a: "1", b: "2" } };
    given(registered).when(offer).gives();
    given({ type: "ResourceRegistered", data: { ...two, agentId: "a1" } })
      .when({ ...offer, resource: { ...two, labels: { b: "2", a: "1" } } })
      .gives();
  });

  it("records a change of labels or protocol", () => {
    const changed = { ...orders, labels: {} };
    given(registered)
      .when({ ...offer, resource: changed })
      .gives({ type: "ResourceChanged", data: { ...changed, agentId: "a1" } });
  });

  it("refuses a name that another agent serves", () =>
    given(registered)
      .when({ ...offer, agentId: "a2" })
      .fails("resource.conflict"));

  it("hands the name over when the agent that had it was revoked", () => {
    given(registered)
      .when({ ...offer, agentId: "a2", ownerGone: true })
      .gives(retired, { type: "ResourceRegistered", data: { ...orders, agentId: "a2" } });
  });

  it("refuses names and labels that cannot be recorded or shown", () => {
    for (const name of ["", "a b", "x".repeat(64), "naïve", "a\n"])
      given()
        .when({ ...offer, resource: { ...orders, name } })
        .fails("input.invalid");
    given()
      .when({ ...offer, resource: { ...orders, labels: { a: "\ud800" } } })
      .fails("input.invalid");
    const many = Object.fromEntries(Array.from({ length: resource.MAX_LABELS + 1 }, (_, i) => [String(i), ""]));
    given()
      .when({ ...offer, resource: { ...orders, labels: many } })
      .fails("input.invalid");
  });
});

describe("retiring a resource", () => {
  it("is for the agent that serves it", () => {
    given(registered).when({ type: "Retire", agentId: "a1" }).gives(retired);
    given(registered).when({ type: "Retire", agentId: "a2" }).gives();
    given(registered, retired).when({ type: "Retire", agentId: "a1" }).gives();
  });
});
