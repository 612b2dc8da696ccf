import assert from "node:assert/strict";
import { describe, it } from "node:test";
import fc from "fast-check";
import { type AuthorityQuestion, builtInRule, couldEver, decideAuthority, type PolicyStanding, toldWhereAllowed } from "./authority.ts";
import { areas, type Decision, type DecisionRequest, noObligations, type OwnAction, type PolicyEngine, type TimeSeen } from "./decision.ts";

const engineThat = (permits: (request: DecisionRequest) => boolean, ...speaksOf: OwnAction[]): PolicyEngine => ({
  version: "p1",
  speaksOf: new Set(speaksOf),
  decide: (request) => {
    const seen = request.circumstances?.time as TimeSeen;
    return { effect: permits(request) ? "allow" : "deny", policyVersion: "p1", rules: ["r"], reason: "", obligations: noObligations, quorum: 0, seen };
  },
});
const loaded = (engine: PolicyEngine): PolicyStanding => ({ kind: "loaded", engine });
const silent: readonly PolicyStanding[] = [
  { kind: "none" },
  loaded(engineThat(() => true)),
  loaded(engineThat(() => false)),
  { kind: "unloadable", version: "p1", namesOwn: new Set() },
];
const as = (...groups: string[]): AuthorityQuestion["principal"] => ({ id: "ana", kind: "human", groups });
const effect = (standing: PolicyStanding, question: AuthorityQuestion): string => decideAuthority(standing, question).effect;

const questions = fc.record({
  principal: fc.subarray(["admins", "auditors", "engineers"]).map((groups) => as(...groups)),
  action: fc.constantFrom<OwnAction>("replay", "administer"),
  area: fc.constantFrom(...areas),
  own: fc.boolean(),
});

describe("authority over the control plane", () => {
  it("is by the built-in rule where the set in force does not name the action, whatever else it says (A2)", () => {
    fc.assert(
      fc.property(fc.constantFrom(...silent), questions, (standing, question) => {
        const { groups } = question.principal;
        const isTheirs = question.own && question.area === "sessions";
        const expected = question.action === "administer" ? groups.includes("admins") : groups.includes("admins") || groups.includes("auditors") || isTheirs;
        const decision = decideAuthority(standing, question);
        assert.deepEqual([decision.effect, decision.rules], [expected ? "allow" : "deny", [builtInRule(question.action)]]);
      }),
    );
  });

  it("is by the set alone where it names the action, and still by the built-in rule for the other (A1)", () => {
    fc.assert(
      fc.property(questions, fc.boolean(), (question, permits) => {
        const standing = loaded(engineThat(() => permits, question.action));
        assert.deepEqual([effect(standing, question), decideAuthority(standing, question).rules], [permits ? "allow" : "deny", ["r"]]);
        const other = question.action === "replay" ? "administer" : "replay";
        assert.deepEqual(decideAuthority(standing, { ...question, action: other }).rules, [builtInRule(other)]);
      }),
    );
  });

  it("is nobody's where the set in force does not load and may name the action (A3)", () => {
    const standing: PolicyStanding = { kind: "unloadable", version: "p1", namesOwn: new Set(["administer"]) };
    assert.equal(effect(standing, { principal: as("admins"), action: "administer", area: "policy" }), "deny");
    assert.equal(effect(standing, { principal: as("admins"), action: "replay", area: "policy" }), "allow");
  });

  it("could be somebody's who has it at one hour of the week, and is not for all that at another", () => {
    const standing = loaded(
      engineThat(({ circumstances }) => {
        const seen = circumstances?.time as TimeSeen;
        return seen.hour === 17 && seen.weekday === "friday";
      }, "administer"),
    );
    const question: AuthorityQuestion = { principal: as(), action: "administer", area: "policy" };
    assert.equal(couldEver(standing, question), true);
    assert.equal(decideAuthority(standing, question, { hour: 16, weekday: "friday" }).effect, "deny");
    assert.equal(couldEver(loaded(engineThat(() => false, "administer")), question), false);
  });

  it("could be somebody's, and is told to whom, is asked about the hours of the week once for all whom policy does not tell apart", () => {
    const byDay = engineThat(({ principal, circumstances }) => {
      const seen = circumstances?.time as TimeSeen;
      return principal.groups.includes("day") && seen.hour === 12;
    }, "administer");
    const remembered = new Map<string, Decision>();
    let asked = 0;
    const standing = loaded({
      ...byDay,
      decide(request) {
        asked += 1;
        const key = JSON.stringify([request.principal.groups, request.circumstances]);
        const decision = remembered.get(key) ?? { ...byDay.decide(request), notify: ["security"] };
        remembered.set(key, decision);
        return decision;
      },
    });
    const answers = new Map<Decision, boolean>();
    const may = (...groups: readonly string[]): boolean => couldEver(standing, { principal: as(...groups), action: "administer", area: "policy" }, answers);
    const all = Array.from({ length: 1_000 }, (_, index) => may(index % 2 === 0 ? "day" : "night"));
    assert.deepEqual([all.filter(Boolean).length, all[0], all[1]], [500, true, false]);
    assert.ok(asked < 2_000, `${asked} decisions for two kinds of people`);
    asked = 0;
    const both = Array.from({ length: 1_000 }, (_, index) => as(index % 2 === 0 ? "day" : "night"));
    const about = both.map((principal): AuthorityQuestion => ({ principal, action: "administer", area: "policy" }));
    assert.deepEqual(toldWhereAllowed(standing, about), ["security"]);
    assert.ok(asked < 2_000, `${asked} decisions on whom to tell`);
  });

  it("is told to the groups that the rules name which would allow it, at whatever hour, and to nobody for a denial", () => {
    const byDay: PolicyEngine = {
      ...engineThat(() => true, "administer"),
      decide({ circumstances, principal }) {
        const seen = circumstances?.time as TimeSeen;
        const isNight = seen.hour >= 20;
        const notify = isNight ? ["security", "night-watch"] : ["security"];
        const isKeeper = principal.groups.includes("keepers");
        return {
          effect: isKeeper ? "allow" : "deny",
          policyVersion: "p1",
          rules: ["r"],
          reason: "",
          obligations: noObligations,
          quorum: 0,
          seen,
          notify,
        };
      },
    };
    const told = (standing: PolicyStanding, ...who: AuthorityQuestion["principal"][]): readonly string[] =>
      toldWhereAllowed(
        standing,
        who.map((principal) => ({ principal, action: "administer", area: "policy" })),
      );
    assert.deepEqual(told(loaded(byDay), as(), as("keepers")), ["night-watch", "security"]);
    assert.deepEqual(told(loaded(byDay), as("admins")), []);
    assert.deepEqual([told({ kind: "none" }, as("admins"), as("auditors")), told({ kind: "none" }, as("auditors"))], [["admins"], []]);
  });
});
