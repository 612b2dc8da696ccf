import { plainFacts } from "../domain/facts.ts";
import assert from "node:assert/strict";
import { describe, it } from "node:test";
import type { Circumstances, Decision, DecisionRequest, PolicyAction } from "../domain/decision.ts";
import { createCedarCompiler } from "./compiler.ts";

const compiler = createCedarCompiler();
const engineOf = (text: string) => compiler.compile("v1", [{ name: "a.cedar", text }]);
const request = (action: PolicyAction, circumstances?: Circumstances): DecisionRequest => ({
  principal: { id: "ana", kind: "human", groups: [] },
  action,
  resource: { name: "orders", protocol: "postgres", labels: {} },
  ...(circumstances === undefined ? {} : { circumstances }),
});
const decideOpen = (text: string, circumstances?: Circumstances): Decision => engineOf(text).decide(request("open", circumstances));
const permit = (condition: string, annotations = ""): string =>
  `@id("a") ${annotations} permit (principal, action == Action::"open", resource) when { ${condition} };`;

describe("the time", () => {
  const atNight = new Date("2026-11-22T23:30:00.000Z"); // a Sunday

  it("is that of UTC unless the set names a zone, and is part of the decision", () => {
    const utc = decideOpen(permit(`context.hour == 23 && context.weekday == "sunday"`), { time: atNight });
    assert.deepEqual([utc.effect, utc.seen], ["allow", { hour: 23, weekday: "sunday" }]);
    const berlin = decideOpen(permit(`context.hour == 0 && context.weekday == "monday"`, `@timezone("Europe/Berlin")`), { time: atNight });
    assert.deepEqual([berlin.effect, berlin.seen], ["allow", { hour: 0, weekday: "monday" }]);
  });

  it("goes on between decisions, though they are remembered", () => {
    const engine = engineOf(permit("context.hour < 12"));
    const at = (instant: string): string => engine.decide(request("open", { time: new Date(instant) })).effect;
    assert.deepEqual(["2026-11-22T11:59:59.999Z", "2026-11-22T12:00:00.000Z", "2026-11-23T00:00:00.000Z"].map(at), ["allow", "deny", "allow"]);
  });

  it("can be given as the record has it, so that the same decision is taken again", () => {
    const engine = engineOf(permit("context.hour == 23"));
    const first = engine.decide(request("open", { time: atNight }));
    assert.ok(first.seen);
    assert.deepEqual(engine.decide(request("open", { time: first.seen })), first);
  });

  it("denies when a rule looks at it and it is not known, even where only a forbid looks", () => {
    const text = `${permit("true")} @id("f") forbid (principal, action == Action::"open", resource) when { context.hour < 6 };`;
    assert.deepEqual([decideOpen(text).effect, decideOpen(text, { time: atNight }).effect], ["deny", "allow"]);
  });

  it("is no part of a decision that no rule looks at it for", () => {
    assert.equal(decideOpen(permit("true"), { time: atNight }).seen, undefined);
  });
});

describe("the client's address", () => {
  const inside = permit(`context.clientAddress.isInRange(ip("10.0.0.0/8"))`);
  it("is compared as an address, of either family", () => {
    assert.deepEqual(
      ["10.1.2.3", "11.1.2.3", "::1"].map((clientAddress) => decideOpen(inside, { clientAddress }).effect),
      ["allow", "deny", "deny"],
    );
    assert.equal(decideOpen(permit("context.clientAddress.isLoopback()"), { clientAddress: "::1" }).effect, "allow");
  });

  it("denies when a rule looks at it and it is not known", () => {
    const { effect, reason } = decideOpen(inside);
    assert.equal(effect, "deny");
    assert.match(reason, /address, and this one is not known/);
  });
});

describe("purpose and ticket", () => {
  const purpose = { reason: "stuck", ticket: "OPS-7" };
  it("are what was given, and empty when nothing was", () => {
    assert.equal(decideOpen(permit(`context.ticket like "OPS-*" && context.purpose == "stuck"`), { purpose }).effect, "allow");
    assert.equal(decideOpen(permit(`context.ticket == "" && context.purpose == ""`)).effect, "allow");
  });

  it("are denied without, where a permit requires them, and the denial says which", () => {
    const text = permit("true", "@reasonRequired @ticketRequired");
    const bare = decideOpen(text);
    assert.deepEqual([bare.effect, bare.rules, bare.lacks, bare.reason], ["deny", ["a"], ["reason", "ticket"], `Rule "a": needs a reason and a ticket first.`]);
    assert.deepEqual(decideOpen(text, { purpose: { ...purpose, ticket: "" } }).lacks, ["ticket"]);
    assert.equal(decideOpen(text, { purpose }).effect, "allow");
  });

  it("are required when one of several permits does, whatever another one gives without", () => {
    const text = `${permit("true", "@reasonRequired")} @id("b") permit (principal, action == Action::"open", resource);`;
    assert.deepEqual([decideOpen(text).effect, decideOpen(text, { purpose }).effect], ["deny", "allow"]);
  });

  it("are not mixed up in what is remembered", () => {
    const engine = engineOf(permit("true", "@reasonRequired"));
    const effect = (reason: string): string => engine.decide(request("open", { purpose: { reason, ticket: "" } })).effect;
    assert.deepEqual(["", "x", "", "y"].map(effect), ["deny", "allow", "deny", "allow"]);
  });
});

describe("whom to notify", () => {
  it("is what all rules that decided say, in whatever order, on a denial as well", () => {
    const rule = (id: string, effect: string, groups: string): string =>
      `@id("${id}") @notify("${groups}") ${effect} (principal, action == Action::"open", resource);`;
    assert.deepEqual(decideOpen(`${rule("a", "permit", "ops, security")} ${rule("b", "permit", "dba, ops")}`).notify, ["dba", "ops", "security"]);
    const denied = decideOpen(`${rule("a", "permit", "ops")} ${rule("b", "forbid", "security")}`);
    assert.deepEqual([denied.effect, denied.notify], ["deny", ["security"]]);
    assert.equal(decideOpen(permit("true")).notify, undefined);
  });
});

describe("obligations of a session and of its commands", () => {
  it("have the output recorded when one of the permits that decide says so", () => {
    const engine = engineOf(
      `@id("a") permit (principal, action == Action::"run", resource);
       @id("b") @record("output") permit (principal, action == Action::"run", resource) when { context.relationsRead.contains("people") };`,
    );
    const decide = (relationsRead: readonly string[]) => engine.decide({ ...request("run"), facts: { ...plainFacts, relationsRead } }).obligations.record;
    assert.deepEqual(decide(["people"]), ["output"]);
    assert.equal(decide(["orders"]), undefined);
  });

  it("have recorded all that any of the permits that decide says, in whatever order it is written", () => {
    const record = (...written: readonly string[]) =>
      engineOf(written.map((each, index) => `@id("${index}") @record("${each}") permit (principal, action == Action::"run", resource);`).join("\n")).decide({
        ...request("run"),
        facts: plainFacts,
      }).obligations.record;
    assert.deepEqual(record("input"), ["input"]);
    assert.deepEqual(record("output, input"), ["input", "output"]);
    assert.deepEqual(record("output", "input"), ["input", "output"]);
    assert.deepEqual(record("input, output", "output"), ["input", "output"]);
  });

  it("are parted where one permit speaks of both", () => {
    const engine = engineOf(
      `@id("a") @readOnly @timeout("30s") @byteCap("10MB") @record("output") permit (principal, action in [Action::"open", Action::"run"], resource);`,
    );
    const facts = {
      ...plainFacts,
    } as const;
    assert.deepEqual(engine.decide(request("open")).obligations, { maskColumns: [], detectors: [], rowCap: 0, readOnly: true });
    assert.deepEqual(engine.decide({ ...request("run"), facts }).obligations, {
      maskColumns: [],
      detectors: [],
      rowCap: 0,
      byteCap: 10_000_000,
      timeoutMillis: 30_000,
      record: ["output"],
    });
  });
});
