import assert from "node:assert/strict";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { before, describe, it } from "node:test";
import { configureChannels } from "../support/notification-channels.ts";
import { starterPolicy } from "../support/policies.ts";
import { isType, Stack } from "../support/stack.ts";
import { suiteCleanup } from "../support/suite-cleanup.ts";
import { tempDir } from "../support/temp-dir.ts";
import { isSigned, type Received, WebhookServer } from "../support/webhook-server.ts";
import { failure } from "./failure.ts";

/** An answer that does not come within this never will. */
const HANG_MS = 240_000;
const LITERAL = "Zebulon-Quartz-4711";
const PASSWORD = "correct-horse-battery";

interface Payload {
  readonly type: string;
  readonly data: {
    readonly eventType: string;
    readonly fields: Readonly<Record<string, unknown>>;
    readonly next: readonly { readonly label: string; readonly command: string }[];
  };
}

describe("channels outside", { timeout: HANG_MS }, () => {
  const cleanup = suiteCleanup();
  let stack: Stack;
  let hook: WebhookServer;
  let chat: WebhookServer;
  let dead: WebhookServer;
  let keepers: WebhookServer;
  let secret: string;
  before(async () => {
    [hook, chat, dead] = [await WebhookServer.start(cleanup), await WebhookServer.start(cleanup), await WebhookServer.start(cleanup)];
    keepers = await WebhookServer.start(cleanup);
    dead.behaviours = [{ kind: "answer", status: 410 }];
    const files = configureChannels(cleanup, [
      { name: "hook", kind: "webhook", server: hook },
      { name: "chat", kind: "slack", server: chat, more: { people: true, links: "https://gate.example.com" } },
      { name: "dead", kind: "webhook", server: dead, more: { events: ["policies"] } },
      { name: "keepers", kind: "webhook", server: keepers, more: { events: [], groups: ["admins"] } },
    ]);
    ({ secret } = files);
    stack = await Stack.start(cleanup, { env: files.env });
    await (await stack.connectDirect()).query("create table customers (id int, name text)");
  });

  const payloadOf = ({ body }: Received): Payload => JSON.parse(body) as Payload;
  const told = async (kind: string): Promise<Payload> => payloadOf(await hook.first((received) => payloadOf(received).type === kind));

  it("are told of a command that waits and of what became of it, signed, without its text", async () => {
    const client = await stack.connect();
    const dropped = failure(client.query(`delete from customers; select '${LITERAL}'`));
    const { data } = await stack.event("approval-", isType("ApprovalRequested"));
    const { data: asked } = await told("approval.requested");
    assert.deepEqual([asked.fields["approval"], asked.fields["resource"], asked.fields["class"]], [data.approvalId, data.resource, "destructive"]);
    assert.deepEqual([asked.fields["writes"], asked.fields["requester"], asked.fields["statement"]], [undefined, undefined, undefined]);
    assert.ok(hook.received.every((received) => isSigned(received, secret)));

    const inChat = await chat.first(({ body }) => body.includes(data.approvalId));
    const { blocks } = JSON.parse(inChat.body) as { blocks: readonly { type: string; elements?: readonly { url: string }[] }[] };
    const links = blocks.flatMap(({ elements = [] }) => elements).map(({ url }) => url);
    assert.ok(links.includes(`https://gate.example.com/approvals/${data.approvalId}?decide=approve`), links.join());
    assert.match(inChat.body, /"\*requester\*"[^{]*\{"type":"plain_text","text":"ana"/u);

    const deny = asked.next.find(({ label }) => label === "Deny");
    assert.ok(deny);
    const run = stack.cli("bo", ...deny.command.split(" ").slice(1), "--comment", "not now");
    assert.equal((await run.exited).status, 0, run.stderr);
    assert.deepEqual(await dropped, ["42501", "approval.denied"]);
    assert.equal((await told("approval.denied")).data.fields["approval"], data.approvalId);
  });

  it("are shown dead letters on the command line, which tries one again for administrators", async () => {
    await stack.event("notification-", isType("NotificationFailed"));
    const list = stack.cli("bo", "--json", "notifications", "list", "--failed");
    assert.equal((await list.exited).status, 0, list.stderr);
    const { channels, notifications } = JSON.parse(list.stdout) as {
      channels: readonly { name: string }[];
      notifications: readonly { id: string; channel: string; failure: string }[];
    };
    assert.deepEqual(
      channels.map(({ name }) => name),
      ["hook", "chat", "dead", "keepers"],
    );
    const [letter] = notifications;
    assert.ok(letter);
    assert.deepEqual([letter.channel, letter.failure], ["dead", "http 410"]);
    const refused = stack.cli("bo", "notifications", "retry", letter.id);
    assert.equal((await refused.exited).status, 1);
    dead.behaviours = [{ kind: "answer", status: 200 }];
    const earlier = dead.received.length;
    const retried = stack.cli("admin", "notifications", "retry", letter.id);
    assert.equal((await retried.exited).status, 0, retried.stderr);
    await dead.count(earlier + 1);
    const unprivileged = stack.cli("ana", "notifications");
    assert.equal((await unprivileged.exited).status, 1);
  });

  it("are told of a policy that waits when their group may agree to it, with the command, and of its withdrawal", async () => {
    const put = (id: string, groups: string[]) => stack.call("admin", (api) => api.identities.putIdentity({ id, kind: "human", groups }));
    await put("cy", ["admins"]);
    const folder = tempDir(cleanup, "proposed");
    for (const { name, text } of starterPolicy) writeFileSync(join(folder, name), `// Again.\n${text}`);
    const cli = async (...args: readonly string[]): Promise<string> => {
      const run = stack.cli("admin", ...args);
      assert.equal((await run.exited).status, 0, run.stderr);
      return run.stdout;
    };
    const { version } = JSON.parse(await cli("--json", "policy", "propose", folder, "--reason", "again")) as { version: string };
    const about = (kind: string) => (received: Received) => payloadOf(received).type === kind && payloadOf(received).data.fields["version"] === version;
    const { data: asked } = payloadOf(await keepers.first(about("policy.proposed")));
    assert.deepEqual([asked.fields["needs"], asked.fields["by"], asked.fields["reason"]], [1, undefined, undefined]);
    assert.match(asked.next.find(({ label }) => label === "Approve")?.command ?? "", new RegExp(`^sallyport policy approve ${version} [0-9a-f]{16}$`, "u"));
    assert.match(await cli("policy", "show", version), /^To tell\s+admins$/mu);
    await cli("policy", "withdraw", version);
    await keepers.first(about("policy.withdrawn"));
    for (const received of keepers.received) assert.match(payloadOf(received).type, /^policy\./u);
  });

  it("are told that an agent is offline, after whatever else there was to tell of", async () => {
    // What is told of a password that was tried, if anything, goes before this.
    await assert.rejects(stack.connect("ana", { password: PASSWORD }));
    await stack.event("identity-", isType("SignInFailed"));
    await stack.killAgent();
    assert.equal((await told("agent.offline")).data.fields["agent"], "edge");
    await chat.first(({ body }) => body.includes("is offline"));
  });

  it("were told no secret, no statement and no literal in anything that they were sent", async () => {
    const all = [...hook.received, ...chat.received, ...dead.received, ...keepers.received].map(({ body }) => body).join("\n");
    assert.ok(all.length > 1_000);
    const secrets = [...Object.values(stack.tokens), secret, stack.target.app.password, PASSWORD, LITERAL, "delete from"].filter((each) => each !== "");
    for (const each of secrets) assert.ok(!all.includes(each), each.slice(0, 12));
    const hooked = hook.received.map(({ body }) => body).join("\n");
    for (const name of ["ana", "bo"]) assert.doesNotMatch(hooked, new RegExp(String.raw`\b${name}\b`, "u"));
  });
});
