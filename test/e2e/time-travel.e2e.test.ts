import assert from "node:assert/strict";
import { before, describe, it } from "node:test";
import { starterPolicy } from "../support/policies.ts";
import { isType, type Person, RESOURCE, Stack } from "../support/stack.ts";
import { suiteCleanup } from "../support/suite-cleanup.ts";
import { failure } from "./failure.ts";

/** Reading is all that anybody may do under this one. */
const readOnly = [
  {
    name: "read-only.cedar",
    text: `
      @id("open-all") permit (principal, action == Action::"open", resource);
      @id("read-only") @reason("Only reading is allowed this week.") permit (principal, action == Action::"run", resource)
      when { context.riskClass == "read" };`,
  },
];

interface Told<T> {
  readonly status: number | null;
  readonly json: T;
  readonly stdout: string;
  readonly stderr: string;
}

interface Explained {
  readonly verdict: string;
  readonly decision: {
    readonly policyVersion: string;
    readonly recordedEffect: string;
    readonly effect: string;
    readonly recordedRules: readonly string[];
    readonly rules: readonly string[];
  };
  readonly votes: readonly unknown[];
}

describe("the past, through the command line", { timeout: 120_000 }, () => {
  const cleanup = suiteCleanup();
  let stack: Stack;
  let starter = "";
  let later = "";
  /** The position of the last event before the policy changed. */
  let before1st = 0n;
  let session = "";

  async function sallyport<T>(person: Person, ...args: readonly string[]): Promise<Told<T>> {
    const run = stack.cli(person, "--json", ...args);
    const { status } = await run.exited;
    return { status, stdout: run.stdout, stderr: run.stderr, json: (run.stdout === "" ? undefined : JSON.parse(run.stdout)) as T };
  }

  const head = async (): Promise<bigint> => (await stack.events()).at(-1)?.position ?? 0n;

  before(async () => {
    stack = await Stack.start(cleanup);
    await (await stack.connectDirect()).query("create table parcels (id int, owner text)");
    const client = await stack.connect("ana", { application_name: "past" });
    const requested = await stack.event("session-", (event) => event.type === "SessionRequested" && event.data.application === "past");
    session = requested.stream.slice("session-".length);
    await client.query("insert into parcels values (1, 'Zoë')");
    await client.query("select * from parcels where owner = $1", ["Zoë"]);
    const truncating = client.query("truncate parcels");
    const asked = await stack.event("approval-", isType("ApprovalRequested"));
    await stack.approve(asked.data.approvalId);
    await truncating;
    starter = (await stack.events("policy-")).findLast(isType("PolicyPublished"))?.data.version ?? "";
    before1st = await head();
    later = await stack.publish(readOnly);
    await failure(client.query("insert into parcels values (2, 'Ivo')"));
    await client.end();
    await stack.event(requested.stream, isType("SessionEnded"));
  });

  it("explains each decision under the policy version that it was taken by, to the same answer", async () => {
    const decided = [
      ["1", "allow", starter],
      ["2", "allow", starter],
      ["3", "needs_approval", starter],
      ["4", "deny", later],
    ] as const;
    await Promise.all(
      decided.map(async ([command, effect, version]) => {
        const { status, json, stderr } = await sallyport<Explained>("bo", "explain", session, command);
        assert.equal(status, 0, stderr);
        assert.equal(json.verdict, "same");
        const { policyVersion, recordedEffect, recordedRules, rules } = json.decision;
        assert.deepEqual([policyVersion, recordedEffect, json.decision.effect, recordedRules], [version, effect, effect, rules]);
        assert.equal(json.votes.length, command === "3" ? 1 : 0);
      }),
    );
    const opening = stack.cli("bo", "explain", "last");
    assert.equal((await opening.exited).status, 0, opening.stderr);
    assert.match(opening.stdout, /open-all/u);
    assert.match(opening.stdout, /the same answer/u);
  });

  it("is for auditors and administrators", async () => {
    const verbs = [
      ["explain", session, "1"],
      ["as-of", "1m", "state"],
      ["projections", "status"],
      ["projections", "rebuild"],
    ];
    await Promise.all(
      verbs.map(async (args) => {
        const { status, stderr } = await sallyport("ana", ...args);
        assert.equal(status, 1, args.join(" "));
        assert.match(stderr, /auth\.forbidden/u);
      }),
    );
    const rebuild = await sallyport("bo", "projections", "rebuild");
    assert.match(rebuild.stderr, /auth\.forbidden/u, "rebuilding is for administrators");
  });

  it("tells which policy was in force before and after it changed, with its text", async () => {
    const past = await sallyport<{ version: string; files: { name: string; text: string }[] }>("bo", "as-of", String(before1st), "policy");
    assert.equal(past.json.version, starter, past.stderr);
    assert.deepEqual(past.json.files, starterPolicy);
    const now = await sallyport<{ version: string }>("bo", "as-of", "0s", "policy");
    assert.equal(now.json.version, later);
    const never = await sallyport<{ version: string }>("bo", "as-of", "2020-01-01", "policy");
    assert.equal(never.json.version, "");
  });

  it("tells who could do what before and after the policy changed", async () => {
    interface AccessAnswer {
      readonly access: readonly {
        readonly identity: { readonly id: string };
        readonly decisions: readonly { readonly action: string; readonly riskClass: string; readonly effect: string }[];
      }[];
    }
    const said = async (moment: string): Promise<unknown> => {
      const { json, stderr } = await sallyport<AccessAnswer>("bo", "as-of", moment, "access", "--identity", "ana", "--resource", RESOURCE);
      assert.equal(json.access.length, 1, stderr);
      return json.access[0]?.decisions.map(({ action, riskClass, effect }) => [riskClass === "" ? action : riskClass, effect]);
    };
    assert.deepEqual(await said(String(before1st)), [
      ["open", "allow"],
      ["read", "allow"],
      ["write", "allow"],
      ["destructive", "needs_approval"],
      ["administrative", "needs_approval"],
      ["unclassified", "needs_approval"],
      ["approve", "deny"],
      ["request", "deny"],
      ["replay", "deny"],
    ]);
    assert.deepEqual(await said("0s"), [
      ["open", "allow"],
      ["read", "allow"],
      ["write", "deny"],
      ["destructive", "deny"],
      ["administrative", "deny"],
      ["unclassified", "deny"],
      ["approve", "deny"],
      ["request", "deny"],
      ["replay", "deny"],
    ]);
  });

  it("finds what ran by its words, and takes nothing that a person may type for a mistake", async () => {
    interface Found {
      readonly sessionId: string;
      readonly commandId: number;
      readonly state: string;
    }
    const found = async (...words: readonly string[]): Promise<readonly (readonly [number, string])[]> => {
      const { status, json, stderr } = await sallyport<readonly Found[]>("bo", "search", ...words);
      assert.equal(status, 0, stderr);
      return json.map(({ commandId, state }) => [commandId, state] as const);
    };
    assert.deepEqual(await found("truncate"), [[3, "succeeded"]]);
    assert.deepEqual(await found("parcels", "Zoe"), [
      [2, "succeeded"],
      [1, "succeeded"],
    ]);
    assert.deepEqual(await found("INSERT", "denied-nothing"), []);
    assert.deepEqual(await found('"into parcels"', "ivo"), [[4, "denied"]]);
    assert.deepEqual(await found("trunc*"), [[3, "succeeded"]]);
    await stack.call("bo", async (api) => {
      for (const words of ['"', 'a" OR 1', "statement:truncate", "(", "NEAR(", "*", "^", "-x", "'; drop", "\0"]) {
        const request = { words, identity: "", resource: "", since: undefined, until: undefined, cursor: "", limit: 0 };
        const { commands } = await api.history.searchCommands(request);
        assert.deepEqual(commands, [], words);
      }
    });
    const own = await sallyport<readonly Found[]>("robot", "search", "parcels");
    assert.deepEqual(own.json, [], "others' commands are for auditors");
  });

  it("lists sessions by who, where and when, a page at a time", async () => {
    for (let i = 0; i < 3; i++) await (await stack.connect("robot")).end();
    interface Listed {
      readonly id: string;
      readonly identity: string;
    }
    const list = async (...args: readonly string[]): Promise<readonly Listed[]> => (await sallyport<readonly Listed[]>("bo", "sessions", "list", ...args)).json;
    assert.deepEqual(
      (await list("--identity", "ana")).map(({ id }) => id),
      [session],
    );
    assert.equal((await list("--identity", "robot", "--resource", RESOURCE)).length, 3);
    assert.equal((await list("--resource", "elsewhere")).length, 0);
    assert.equal((await list("--until", "2020-01-01")).length, 0);
    assert.equal((await list("--since", "1h")).length, 4);
    const page = stack.cli("bo", "sessions", "list", "--limit", "3");
    assert.equal((await page.exited).status, 0, page.stderr);
    const [, cursor = ""] = /--cursor (\d+)/.exec(page.stderr) ?? [];
    assert.deepEqual(
      (await list("--limit", "3", "--cursor", cursor)).map(({ id }) => id),
      [session],
    );
  });

  it("shows an agent before and after it was revoked", async () => {
    const beforeIt = await head();
    const agent = (await stack.events("agent-")).find(isType("AgentEnrolled"));
    assert.ok(agent);
    const revoke = await sallyport("admin", "agents", "revoke", agent.data.agentId);
    assert.equal(revoke.status, 0, revoke.stderr);
    interface State {
      readonly agents: readonly { readonly revoked: boolean; readonly connected: boolean }[];
      readonly resources: readonly { readonly name: string }[];
    }
    await stack.event(`resource-${RESOURCE}`, isType("ResourceRetired"));
    const past = await sallyport<State>("bo", "as-of", String(beforeIt), "state");
    assert.deepEqual([past.json.agents[0]?.revoked, past.json.agents[0]?.connected, past.json.resources.map(({ name }) => name)], [false, true, [RESOURCE]]);
    const now = await sallyport<State>("bo", "as-of", "0s", "state");
    assert.deepEqual([now.json.agents[0]?.revoked, now.json.agents[0]?.connected, now.json.resources], [true, false, []]);
  });

  it("is rebuilt while it answers, and says the same afterwards, also after a crash", async () => {
    const all = async (): Promise<unknown> => (await sallyport("bo", "sessions", "list", "--limit", "100")).json;
    const listed = await all();
    const rebuild = stack.cli("admin", "projections", "rebuild");
    assert.equal((await rebuild.exited).status, 0, rebuild.stderr);
    assert.match(rebuild.stdout, /Rebuilt from \d+ events/u);
    assert.deepEqual(await all(), listed);
    await stack.killControlPlane();
    await stack.startControlPlane();
    assert.deepEqual(await all(), listed);
    interface Status {
      readonly state: string;
      readonly unreadable: number;
      readonly rows: Readonly<Record<string, number>>;
    }
    const { json } = await sallyport<Status>("bo", "projections", "status");
    assert.equal(json.unreadable, 0);
    assert.equal(json.rows["sessions"], (await stack.events("session-")).filter(isType("SessionRequested")).length);
    assert.equal(json.rows["identities"], 5);
  });

  it("says what is wrong with a moment that is none, or has not come", async () => {
    assert.equal((await sallyport("bo", "as-of", "yesterday", "state")).status, 2);
    const future = await sallyport("bo", "as-of", "2099-01-01", "state");
    assert.equal(future.status, 2);
    assert.match(future.stderr, /not come yet/u);
    assert.match((await sallyport("bo", "as-of", "999999999999", "state")).stderr, /ends at position/u);
    assert.match((await sallyport("bo", "explain", session, "77")).stderr, /has no command 77/u);
  });
});
