import assert from "node:assert/strict";
import { describe, it, type TestContext } from "node:test";
import { type Authority, createAuthority } from "@sallyport/control-plane/src/application/authority.ts";
import type { CommandContext } from "@sallyport/control-plane/src/application/ports.ts";
import { admin, fails, setStage, type Stage } from "@sallyport/control-plane/src/application/testing/stage.ts";
import type { Area, OwnAction, Principal } from "@sallyport/control-plane/src/domain/decision.ts";
import { policyStream } from "@sallyport/control-plane/src/domain/policy/policy.events.ts";
import { createCedarCompiler } from "@sallyport/control-plane/src/policy/compiler.ts";

const as = (id: string): CommandContext => ({ ...admin, actor: { kind: "human", id } });
const person = (id: string, ...groups: string[]): Principal => ({ id, kind: "human", groups });
const files = (text: string) => [{ name: "a.cedar", text }];
const open = `@id("all") permit (principal, action == Action::"open", resource);`;
const keeping = (who: string, when = ""): string =>
  `${open} @id("keep") permit (principal in Group::"${who}", action == Action::"administer", resource)${when};`;

async function scene(t: TestContext, ...people: readonly Principal[]): Promise<Stage & { readonly authority: (recovery?: string) => Authority }> {
  const stage = await setStage(t, { policies: createCedarCompiler() });
  for (const each of people) await stage.app.identities.put(each, admin);
  const { app, time: clock } = stage;
  return { ...stage, authority: (recovery) => createAuthority({ policies: app.policies, clock, ...(recovery === undefined ? {} : { recovery }) }) };
}

const asks = (principal: Principal, area: Area = "policy", action: OwnAction = "administer") => ({ principal, action, area });

describe("a policy that decides who administers", () => {
  const ana = person("ana", "admins");
  const bo = person("bo", "platform");

  it("is refused when nobody who is known could administer the policy under it, and the check says so", async (t) => {
    const { app } = await scene(t, ana, { id: "robot", kind: "machine", groups: ["robots"] });
    for (const lost of [
      keeping("platform"),
      keeping("robots"),
      keeping("admins", ` when { context.area == "tokens" }`),
      keeping("admins", " when { context.hour > 23 }"),
    ]) {
      await assert.rejects(app.policies.publish(files(lost), "", as("ana")), fails("policy.invalid"), lost);
      const { problems } = await app.policies.check(files(lost));
      assert.ok(
        problems.some(({ severity, message }) => severity === "error" && message.startsWith(`Nobody who is known here could administer "policy"`)),
        lost,
      );
    }
    assert.equal(app.policies.published(), undefined);
  });

  it("may let in at one hour of the week only", async (t) => {
    const { app } = await scene(t, ana);
    await app.policies.publish(files(keeping("admins", ` when { context.hour == 3 && context.weekday == "sunday" }`)), "", as("ana"));
    assert.notEqual(app.policies.published(), undefined);
  });

  it("is looked at again when it is published, with who is there by then", async (t) => {
    const { app } = await scene(t, ana, bo, person("cy", "admins"));
    await app.policies.publish(files(open), "", as("ana"));
    const { version } = await app.policies.propose(files(keeping("platform")), "", ana, as("ana"));
    await app.policies.approve(version, undefined, person("cy", "admins"), "", as("cy"));
    await app.identities.disable("bo", "left", admin);
    await assert.rejects(app.policies.publishProposed(version, as("ana")), fails("policy.invalid"));
    await app.identities.put(person("di", "platform"), admin);
    await app.policies.publishProposed(version, as("ana"));
    assert.equal(app.policies.published()?.version, version);
  });

  it("decides on itself from then on: who administers by it agrees to the next one, and others do not", async (t) => {
    const { app, authority } = await scene(t, ana, bo, person("cy", "platform"));
    await app.policies.publish(files(keeping("platform")), "", as("ana"));
    assert.equal(authority().may(asks(ana)), false);
    assert.equal(authority().may(asks(bo)), true);
    const { version } = await app.policies.propose(files(`${keeping("platform")} // 2`), "", bo, as("bo"));
    await assert.rejects(app.policies.approve(version, undefined, ana, "", as("ana")), fails("auth.forbidden"));
    await app.policies.approve(version, undefined, person("cy", "platform"), "", as("cy"));
    await app.policies.publishProposed(version, as("bo"));
    assert.equal(app.policies.published()?.version, version);
  });

  it("asks somebody else also at an hour at which nobody else may", async (t) => {
    const { app } = await scene(t, ana, person("cy", "admins"));
    await app.policies.publish(files(keeping("admins", ` when { principal == Identity::"ana" || context.hour == 3 }`)), "", as("ana"));
    await assert.rejects(app.policies.publish(files(keeping("admins")), "", as("ana")), fails("policy.unapproved"));
  });

  it("leaves the operator a way back to the policy alone, where the installation has one", async (t) => {
    const operator = person("admin", "admins");
    const { app, authority } = await scene(t, operator, bo);
    await app.policies.publish(files(keeping("platform")), "", as("admin"));
    await app.identities.disable("bo", "left", admin);
    assert.equal(authority().may(asks(operator)), false, "without it there is none");
    const recovery = authority("admin");
    assert.deepEqual(recovery.decide(asks(operator)).rules, ["built-in:recovery"]);
    assert.deepEqual([recovery.may(asks(operator, "tokens")), recovery.may(asks(ana))], [false, false]);
    await app.policies.publish(files(keeping("admins")), "", as("admin"));
    assert.equal(authority().may(asks(operator)), true);
  });
});

describe("groups to tell of a proposal", () => {
  const ana = person("ana", "platform");
  const rules = `${open}
    @id("platform") permit (principal in Group::"platform", action == Action::"administer", resource);
    @id("board") @notify("board, archive") permit (principal in Group::"board", action == Action::"administer", resource) when { context.area == "policy" };
    @id("nights") @notify("night-watch") permit (principal in Group::"guards", action == Action::"administer", resource) when { context.hour >= 22 };
    @id("robots") @notify("releases") permit (principal in Group::"robots", action == Action::"administer", resource) when { context.area == "policy" };
    @id("nobody") @notify("nobody") permit (principal in Group::"nobody", action == Action::"administer", resource);`;
  const toldOf = async ({ ledger }: Stage): Promise<unknown> => {
    const told: unknown[] = [];
    for await (const { type, data } of ledger.readStream(policyStream()))
      if (type !== "PolicyApproved" && type !== "PolicyRetired") told.push([type, Reflect.get(data, "notify")]);
    return told;
  };

  it("are named by the rules by which somebody may agree, at whatever hour, or made it", async (t) => {
    const stage = await scene(t, ana, person("bo", "board"), person("gil", "guards"), { id: "robot", kind: "machine", groups: ["robots"] });
    const { app } = stage;
    await app.policies.publish(files(rules), "", as("ana"));
    const byAna = await app.policies.propose(files(`${rules} // 2`), "", ana, as("ana"));
    const robot: CommandContext = { ...admin, actor: { kind: "machine", id: "robot" } };
    await app.policies.propose(files(`${rules} // 3`), "", { id: "robot", kind: "machine", groups: ["robots"] }, robot);
    await app.policies.approve(byAna.version, undefined, person("bo", "board"), "", as("bo"));
    await app.policies.publishProposed(byAna.version, as("ana"));
    const [people, andRobot] = [
      ["archive", "board", "night-watch"],
      ["archive", "board", "night-watch", "releases"],
    ];
    assert.deepEqual(await toldOf(stage), [
      ["PolicyProposed", undefined],
      ["PolicyPublished", undefined],
      ["PolicyProposed", people],
      ["PolicyProposed", andRobot],
      ["PolicyPublished", people],
      ["PolicySuperseded", andRobot],
    ]);
  });

  it("are the administrators where the built-in rule decides, also for one who is alone", async (t) => {
    const stage = await scene(t, person("ana", "admins"));
    await stage.app.policies.publish(files(open), "", as("ana"));
    assert.deepEqual(await toldOf(stage), [
      ["PolicyProposed", ["admins"]],
      ["PolicyPublished", ["admins"]],
    ]);
  });
});

describe("a policy that names neither of the control plane's own actions", () => {
  it("changes nothing of who looks and who administers, and its check notes what holds", async (t) => {
    const ana = person("ana", "admins");
    const { app, authority } = await scene(t, ana);
    for (const text of [open, `@id("a") permit (principal, action, resource);`, `@id("a") forbid (principal, action, resource);`]) {
      await app.policies.publish(files(text), "", as("ana"));
      const may = (principal: Principal): boolean[] => [authority().may(asks(principal)), authority().may(asks(principal, "record", "replay"))];
      assert.deepEqual(
        [may(ana), may(person("bo", "auditors")), may(person("cy"))],
        [
          [true, true],
          [false, true],
          [false, false],
        ],
      );
      const notes = (await app.policies.check(files(text))).problems.filter(({ severity }) => severity === "note");
      assert.deepEqual(
        notes.map(({ message }) => /No rule names Action::"(.*)", so the built-in rule holds/.exec(message)?.[1]),
        ["replay", "administer"],
      );
    }
    assert.deepEqual(
      (await app.policies.check(files(keeping("admins")))).problems.map(({ severity }) => severity),
      ["note"],
      "for replay alone",
    );
  });

  it("names the rules in the refusal", async (t) => {
    const ana = person("ana", "admins");
    const { app, authority } = await scene(t, ana);
    const text = `${keeping("admins")} @id("no-tokens") @reason("The directory issues them.")
      forbid (principal, action == Action::"administer", resource) when { context.area == "tokens" };`;
    await app.policies.publish(files(text), "", as("ana"));
    assert.throws(() => authority().require(asks(ana, "tokens")), {
      code: "auth.forbidden",
      message: `Rule "no-tokens": denied. The directory issues them.`,
      details: { identity: "ana", rules: "no-tokens" },
    });
  });
});
