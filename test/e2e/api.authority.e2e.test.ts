import assert from "node:assert/strict";
import { readdirSync, readFileSync } from "node:fs";
import { before, describe, it } from "node:test";
import { Client, credentials, Metadata, type ServiceError } from "@grpc/grpc-js";
import type { ApiClient } from "@sallyport/cli/src/api-client.ts";
import { ExportRequest } from "@sallyport/proto/gen/sallyport/api/v1/audit";
import { atEnd } from "../support/cleanup.ts";
import { openPolicy, type PolicyText, starterPolicy } from "../support/policies.ts";
import { RESOURCE, Stack } from "../support/stack.ts";
import { suiteCleanup } from "../support/suite-cleanup.ts";

const HANG_MS = 120_000;

interface Verb {
  readonly name: string;
  readonly path: string;
  readonly responseStream: boolean;
}

const generated = new URL("../../proto/src/gen/sallyport/api/v1/", import.meta.url);
const modules = await Promise.all(
  readdirSync(generated).map(async (file) => (await import(new URL(file, generated).href)) as Readonly<Record<string, unknown>>),
);

/** Every verb of every service of the API, whatever they are: of each file that is there. */
const verbs: readonly Verb[] = modules.flatMap((module) =>
  Object.entries(module)
    .filter(([name]) => name.endsWith("ServiceService"))
    .flatMap(([, service]) =>
      Object.values(service as Readonly<Record<string, Omit<Verb, "name">>>).map((verb) => ({
        ...verb,
        name: verb.path.replace(/^\/sallyport\.api\.v1\./, ""),
      })),
    ),
);

/** Those who are let in when they ask for nothing in particular. What is not let in is `auth.forbidden`; anything else is a matter of the request. */
const everybody = "ana bo ed admin";
const auditors = "bo admin";
const admins = "admin";
const expected: Readonly<Record<string, string>> = {
  "IdentityService/GetSelf": everybody,
  "IdentityService/PutIdentity": admins,
  "IdentityService/ListIdentities": admins,
  "IdentityService/DisableIdentity": admins,
  "IdentityService/ListTokens": admins, // of another identity; one's own are below
  "IdentityService/CreateToken": admins, // likewise
  "IdentityService/RevokeToken": admins, // likewise
  "AgentService/CreateJoinToken": admins,
  "AgentService/ListAgents": auditors,
  "AgentService/RevokeAgent": admins,
  "ResourceService/ListResources": everybody, // what they may open
  "SessionService/ListSessions": everybody, // their own
  "SessionService/GetSession": everybody, // nothing of others: below
  "SessionService/EndSession": admins,
  "SessionService/ReplaySession": everybody, // nothing of others: below
  "ApprovalService/ListApprovals": everybody, // theirs, and those that they may decide on
  "ApprovalService/GetApproval": everybody,
  "ApprovalService/ReadCommand": everybody, // likewise: of what they may see
  "ApprovalService/Approve": everybody, // by the rules for approve
  "ApprovalService/Deny": everybody,
  "ApprovalService/Preview": everybody,
  "ApprovalService/ProposeCounter": everybody,
  "ApprovalService/RequestPlan": everybody,
  "ApprovalService/RevokeApproval": everybody,
  "ApprovalService/AcceptCounter": everybody,
  "DelegationService/Delegate": everybody, // what policy lets themselves do
  "DelegationService/ListDelegations": everybody, // theirs
  "DelegationService/EndDelegation": everybody, // theirs
  "ErasureService/RequestErasure": admins,
  "ErasureService/ListErasures": auditors,
  "ErasureService/ApproveErasure": admins,
  "ErasureService/DenyErasure": admins,
  "PolicyService/GetPolicy": everybody,
  "PolicyService/CheckPolicy": auditors,
  "PolicyService/DiffPolicy": auditors,
  "PolicyService/PublishPolicy": admins,
  "EventService/ReadEvents": auditors,
  "AuditService/Export": auditors,
  "AuditService/PromiseEvent": auditors,
  "AuditService/GetCheckpoint": auditors,
  "AuditService/GetRetention": auditors,
  "AuditService/RunRetention": admins,
  "GrantService/RequestAccess": everybody, // by the rules for request
  "GrantService/ListGrants": everybody,
  "GrantService/GetGrant": everybody,
  "GrantService/ApproveAccess": everybody,
  "GrantService/DenyAccess": everybody,
  "GrantService/WithdrawAccessRequest": everybody,
  "GrantService/RevokeGrant": everybody,
  "GrantService/BreakGlass": everybody,
  "GrantService/ReviewBreakGlass": everybody,
  "HistoryService/SearchCommands": everybody, // their own
  "HistoryService/GetStateAsOf": auditors,
  "HistoryService/GetAccessAsOf": auditors,
  "HistoryService/GetPolicyAsOf": auditors,
  "HistoryService/ExplainDecision": auditors,
  "ReadModelService/GetReadModels": auditors,
  "ReadModelService/RebuildReadModels": admins,
  "NotificationService/ListNotifications": auditors,
  "NotificationService/RetryNotification": admins,
  "PolicyChangeService/ProposePolicy": admins,
  "PolicyChangeService/ProposeEarlierPolicy": admins,
  "PolicyChangeService/ApprovePolicy": admins,
  "PolicyChangeService/RejectPolicy": admins,
  "PolicyChangeService/WithdrawPolicy": admins,
  "PolicyChangeService/PublishProposedPolicy": admins,
  "PolicyChangeService/ListPolicyVersions": auditors,
  "PolicyChangeService/GetPolicyVersion": auditors,
  "PolicyChangeService/TryPolicy": auditors,
};

/** Nothing is asked of a verb, but for those that look at what is asked before they say who may. */
const requests: Readonly<Record<string, Uint8Array>> = {
  "AuditService/Export": ExportRequest.encode(ExportRequest.create({ scope: { $case: "range", value: { from: "0", to: "0" } } })).finish(),
};
const NOTHING = new Uint8Array();

describe("the API", { timeout: 3 * HANG_MS }, () => {
  const cleanup = suiteCleanup();
  let stack: Stack;
  let client: Client;
  let edToken = "";
  before(async () => {
    stack = await Stack.start(cleanup, { policy: openPolicy, moreDatabases: ["stock"] });
    // In no group at all: what everybody has.
    edToken = await stack.call("admin", async (admin) => {
      await admin.identities.putIdentity({ id: "ed", kind: "human", groups: [] });
      return (await admin.identities.createToken({ identityId: "ed", ttlSeconds: 3_600, note: "" })).token;
    });
    client = new Client(stack.apiAddress, credentials.createSsl(readFileSync(stack.caFile)));
    atEnd(cleanup, () => client.close());
  });

  type Who = "ana" | "bo" | "ed" | "admin";
  /** Its code, or none; a stream is read to its end or first failure. */
  async function codeOf(who: Who, { path, name, responseStream }: Verb): Promise<string> {
    const metadata = new Metadata();
    metadata.set("authorization", `Bearer ${who === "ed" ? edToken : stack.tokens[who]}`);
    const bytes = (message: Uint8Array): Buffer => Buffer.from(message);
    const code = (error: ServiceError | null): string => (error === null ? "" : String(error.metadata.get("sallyport-error-code")[0] ?? error.code));
    const request = requests[name] ?? NOTHING;
    if (!responseStream) return new Promise((resolve) => void client.makeUnaryRequest(path, bytes, bytes, request, metadata, (error) => resolve(code(error))));
    return new Promise((resolve) => {
      const call = client.makeServerStreamRequest(path, bytes, bytes, request, metadata);
      call.on("data", () => undefined);
      call.on("error", (error: ServiceError) => resolve(code(error)));
      call.on("end", () => resolve(""));
    });
  }

  const isLetIn = async (who: Who, verb: Verb): Promise<boolean> => {
    const code = await codeOf(who, verb);
    assert.notEqual(code, "internal", `${verb.name} as ${who}`);
    return code !== "auth.forbidden";
  };

  it("has a verb for each line of the list of who may call it, and a line for each verb", () => {
    assert.deepEqual(verbs.map(({ name }) => name).toSorted(), Object.keys(expected).toSorted());
  });

  it("asks for a token at each of them", async () => {
    for (const verb of verbs) {
      const token = edToken;
      edToken = "sp_none";
      const code = await codeOf("ed", verb).finally(() => (edToken = token));
      assert.equal(code, "auth.failed", verb.name);
    }
  });

  const sets: readonly (readonly [string, readonly PolicyText[]])[] = [
    ["a policy that names neither replay nor administer", openPolicy],
    ["the starter policy", starterPolicy],
  ];
  for (const [what, files] of sets)
    it(`lets in at each verb the same people under ${what}`, async () => {
      await stack.publish(files);
      const found: Record<string, string> = {};
      for (const verb of verbs) {
        const who: string[] = [];
        for (const each of everybody.split(" ") as Who[]) if (await isLetIn(each, verb)) who.push(each);
        found[verb.name] = who.join(" ");
      }
      assert.deepEqual(found, expected);
    });

  it("shows, ends and exports what is about one resource to those whom policy lets, and nothing of the others", async () => {
    await stack.publish([
      ...openPolicy,
      {
        name: "own.cedar",
        text: `
          @id("stock-keeper") permit (principal == Identity::"ed", action in [Action::"replay", Action::"administer"], resource == Resource::"stock");
          @id("own") permit (principal, action == Action::"replay", resource) when { context.own };
          @id("gate") permit (principal == Identity::"ed", action == Action::"replay", resource is Sallyport) when { context.area == "policy" };
          @id("no-tokens") @reason("The directory issues them.")
          forbid (principal, action == Action::"administer", resource) when { context.area == "tokens" };
          @id("admins") permit (principal in Group::"admins", action == Action::"administer", resource);`,
      },
    ]);
    const orders = await stack.connect("ana");
    await orders.query("select 'in orders' as found");
    const stock = await stack.connect("ana", { database: "stock" });
    await stock.query("select 'in stock' as found");
    const closed = new Promise<void>((resolve) => stock.on("end", () => resolve()));
    stack.tokens.cy = edToken; // so that the stack calls as `ed`, whom it does not know
    type Caller = "ana" | "bo" | "ed";
    const as = <T>(who: Caller, run: (api: ApiClient) => Promise<T>): Promise<T> => stack.call(who === "ed" ? "cy" : who, run);
    const none = { since: undefined, until: undefined, cursor: "", limit: 0 };
    const list = (who: Caller, asked: { readonly identity?: string; readonly resource?: string } = {}) =>
      as(who, (api) => api.sessions.listSessions({ openOnly: false, identity: "", resource: "", ...asked, ...none }));
    const search = (who: Caller) => as(who, (api) => api.history.searchCommands({ words: "select found", identity: "", resource: "", ...none }));
    const resourcesOf = (rows: readonly { readonly resource: string }[]): readonly string[] => [...new Set(rows.map(({ resource }) => resource))].toSorted();
    const show = (who: Caller, sessionId: string) => as(who, (api) => api.sessions.getSession({ sessionId }));
    const explain = (who: Caller, sessionId: string) => as(who, (api) => api.history.explainDecision({ sessionId, commandId: 1 }));
    const end = (who: Caller, sessionId: string) => as(who, (api) => api.sessions.endSession({ sessionId, reason: "" }));
    const replay = (who: Caller, sessionId: string) => as(who, (api) => read(api.sessions.replaySession({ sessionId })));
    const bundle = (who: Caller, scope: ExportRequest["scope"]) => as(who, (api) => read(api.audit.export({ scope, sealed: false })));
    const read = async (parts: AsyncIterable<unknown>): Promise<number> => (await Array.fromAsync(parts)).length;
    const forbidden = { code: "auth.forbidden" };

    // The lists follow the record.
    while ((await search("ana")).commands.length < 2);
    const { sessions } = await list("ana");
    const idOn = (resource: string): string => sessions.find((each) => each.resource === resource)?.id ?? "";
    assert.deepEqual([resourcesOf(sessions), resourcesOf((await list("ed")).sessions)], [[RESOURCE, "stock"], ["stock"]]);
    assert.deepEqual(resourcesOf((await search("ed")).commands), ["stock"]);
    assert.deepEqual((await list("ed", { identity: "ana", resource: RESOURCE })).sessions, []);
    await assert.rejects(list("bo", { identity: "ana" }), forbidden);
    assert.equal((await show("ed", idOn("stock"))).session?.resource, "stock");
    assert.ok((await replay("ed", idOn("stock"))) > 0);
    assert.equal((await explain("ed", idOn("stock"))).verdict, "same");
    for (const look of [show, replay, explain, end]) await assert.rejects(look("ed", idOn(RESOURCE)), forbidden);
    assert.ok((await bundle("ed", { $case: "resource", value: "stock" })) > 0);
    assert.ok((await bundle("ed", { $case: "sessionId", value: idOn("stock") })) > 0);
    await assert.rejects(bundle("ed", { $case: "resource", value: RESOURCE }), forbidden);
    await assert.rejects(bundle("ed", { $case: "sessionId", value: idOn(RESOURCE) }), forbidden);
    await assert.rejects(bundle("ed", { $case: "range", value: { from: "", to: "" } }), forbidden);
    const closing = { name: "close.cedar", text: `@id("none") forbid (principal, action == Action::"run", resource);` };
    const asked = { version: "", files: [...openPolicy, closing], sinceSeconds: 3_600n, identity: "", resource: "" };
    const steps = await as("ed", (api) => Array.fromAsync(api.policyChanges.tryPolicy(asked)));
    const tried = steps.flatMap(({ step }) => (step?.$case === "report" ? step.value.groups : [])).filter(({ action }) => action === "run");
    const examplesOn = (on: string): readonly string[] =>
      tried.flatMap(({ resource, examples }) => (resource === on ? examples.map(({ statement }) => statement) : []));
    assert.ok(tried.some(({ resource, count }) => resource === RESOURCE && count > 0n));
    assert.deepEqual([examplesOn("stock"), examplesOn(RESOURCE)], [["select 'in stock' as found"], []], "a policy is not tried to read what others do");
    await end("ed", idOn("stock"));
    await closed;
    await orders.query("select 1");
    await orders.end();

    const versions = (who: "admin" | "bo") => stack.call(who, (api) => api.policyChanges.listPolicyVersions({ openOnly: true, limit: 1 }));
    assert.equal((await versions("admin")).policies.length, 1, "whoever administers the policy reads it, though no rule lets them replay");
    await assert.rejects(versions("bo"), forbidden);
    await stack.call("admin", (api) => api.erasures.listErasures({}));
    await assert.rejects(stack.token("ana"), { code: "auth.forbidden", message: `Rule "no-tokens": denied. The directory issues them.` });
    const own = { identityId: "ana", ttlSeconds: 60, note: "" };
    await stack.call("ana", (mine) => mine.identities.createToken(own));
  });
});
