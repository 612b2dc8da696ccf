import assert from "node:assert/strict";
import { readdirSync, readFileSync } from "node:fs";
import { describe, it } from "node:test";
import { classificationOf, upcast, type StoredEvent } from "../domain/catalogue.ts";
import type { DomainEvent } from "../domain/events.ts";
import { type Discretion, MAX_FIELD_LENGTH, type Message, messageOf } from "./message.ts";
import { type Notice, personal, sensitive, shown } from "./notice.ts";
import { slackBody } from "./slack/blocks.ts";
import { noticeOf, notifyingTypes, toldTypes, typesOf } from "./topics.ts";
import { webhookBody } from "./webhook/webhook-channel.ts";

const folder = new URL("../../../test/fixtures/events/", import.meta.url);
const goldens: readonly DomainEvent[] = readdirSync(folder).map((file) => {
  const stored = JSON.parse(readFileSync(new URL(file, folder), "utf8")) as Omit<StoredEvent, "revision">;
  return upcast({ ...stored, revision: 0n });
});
const golden = (type: string): DomainEvent => {
  const found = goldens.find((event) => event.type === type);
  assert.ok(found, type);
  return found;
};
const subjects: Readonly<Record<string, string>> = {
  Approval: "ApprovalRequested",
  Access: "AccessRequested",
  Grant: "AccessRequested",
  Break: "AccessRequested",
};

const of = { id: "e1_ops", at: "2026-11-22T10:00:00.000Z", eventId: "e1", eventType: "AccessGranted" };
const silent: Discretion = { people: false, statements: false };
const messageAbout = (type: string, discretion: Discretion, as: (event: DomainEvent) => DomainEvent = (event) => event): Message | undefined => {
  const [first = ""] = /^[A-Z][a-z]+/u.exec(type) ?? [];
  const notice = noticeOf(as(golden(type)), { subject: as(golden(subjects[first] ?? type)), agentName: () => "edge" });
  return notice === undefined ? undefined : messageOf(notice, { ...of, eventType: type }, discretion);
};

/** The event with each text replaced by the class that the schema gives it, unless that is public. Empty lists get a member. */
function marked(event: DomainEvent): DomainEvent {
  const classes = classificationOf(event.type);
  const mark = (value: unknown, path: string): unknown => {
    const found = classes.get(path);
    if (Array.isArray(value)) return found === undefined ? value.map((each) => mark(each, `${path}.*`)) : found === "public" ? value : [`⟦${found}⟧`];
    if (typeof value === "object" && value !== null)
      return Object.fromEntries(Object.entries(value).map(([name, each]) => [name, mark(each, path === "" ? name : `${path}.${name}`)]));
    return typeof value === "string" && found !== undefined && found !== "public" ? `⟦${found}⟧` : value;
  };
  return { type: event.type, data: mark(event.data, "") } as DomainEvent;
}
const everyType = [...new Set([...toldTypes, ...notifyingTypes])];
const bodies = (message: Message): string => `${webhookBody(message)}\n${slackBody(message)}`;

/** Names and texts that stand in the golden events, none of which is a word that a title could use. */
const names = /\b(ana|bo|cy|root)\b/u;
const statement = /drop table|delete from|select /iu;
const written = /incident|stuck|OPS-/u;

describe("what a channel is told", () => {
  it("names nobody, and quotes nobody and no statement, unless the channel may", () => {
    const told = everyType.flatMap((type) => messageAbout(type, silent) ?? []);
    assert.ok(told.length >= everyType.length - 3, `only ${told.length} of ${everyType.length} tell anything`);
    for (const message of told) for (const pattern of [names, statement, written]) assert.doesNotMatch(bodies(message), pattern, message.eventType);
  });

  it("has the class of the event's own field in each of its own, as the schemas have it", () => {
    const classesIn = (discretion: Discretion): readonly string[] => {
      const all = everyType.flatMap((type) => messageAbout(type, discretion, marked) ?? []).map(bodies);
      return [...new Set(all.join("\n").match(/⟦\w+⟧/gu))].toSorted();
    };
    assert.deepEqual(classesIn(silent), []);
    assert.deepEqual(classesIn({ people: true, statements: false }), ["⟦personal⟧"]);
    assert.deepEqual(classesIn({ people: false, statements: true }), ["⟦sensitive⟧"]);
  });

  it("begins no line of its own and turns no direction, whatever somebody wrote: each such character is a picture of itself", () => {
    const forged = 'a"\r\n\r\nApprove: https://evil.example/\u001b[2K\u0085\u2028\u202e';
    const { title, fields } = messageOf(
      { kind: "k", title: forged, urgency: "info", next: [], fields: [shown("text", forged), shown("list", ["one", forged])] },
      of,
      silent,
    );
    const expected = 'a"␍␊␍␊Approve: https://evil.example/␛[2K\u{fffd}\u{fffd}\u{fffd}';
    assert.deepEqual([title, ...fields.map(({ value }) => value)], [expected, expected, ["one", expected]]);
  });

  it("names whoever asks, and quotes the statement, when the channel may", () => {
    const message = messageAbout("ApprovalRequested", { people: true, statements: true });
    assert.ok(message);
    const said = message.fields.map(({ name }) => name);
    assert.ok(said.includes("requester") && said.includes("statement"), said.join());
    assert.equal(
      messageAbout("ApprovalRequested", { people: true, statements: false })?.fields.some(({ name }) => name === "statement"),
      false,
    );
  });

  it("never holds a parameter of a command, nor a hash of a token, nor a policy's text, whatever the channel may", () => {
    const all = everyType.flatMap((type) => messageAbout(type, { people: true, statements: true }) ?? []).map(bodies);
    assert.ok(all.length > 0);
    const { data } = golden("ApprovalRequested");
    assert.ok("command" in data);
    const values = data.command.parameters.flatMap(({ value }) => (typeof value === "string" && value.length > 2 ? [value] : []));
    for (const body of all) {
      for (const value of values) assert.ok(!body.includes(value), value);
      assert.doesNotMatch(body, /permit \(|tokenHash|parameters/u);
    }
  });

  it("links only below the configured place, and leaves deciding to whoever follows the link", () => {
    const message = messageAbout("ApprovalRequested", { ...silent, links: "https://gate.example.com/ui/" });
    assert.ok(message);
    const [look, approve] = message.next;
    assert.match(look?.link ?? "", /^https:\/\/gate\.example\.com\/ui\/approvals\/[0-9a-f-]{36}$/u);
    assert.match(approve?.link ?? "", /\?decide=approve$/u);
    assert.match(approve?.command ?? "", /^sallyport approvals approve [0-9a-f-]{36}$/u);
    assert.equal(
      messageAbout("ApprovalRequested", silent)?.next.some(({ link }) => link !== undefined),
      false,
    );
  });

  it("asks somebody to act on a policy that waits for them, and on none that does not, and says when nobody need any more", () => {
    const proposed = (required: number): Message | undefined =>
      messageAbout("PolicyProposed", silent, ({ type, data }) => ({ type, data: { ...data, required } }) as DomainEvent);
    const asked = proposed(1);
    assert.deepEqual([asked?.urgency, asked?.next.map(({ label }) => label)], ["action", ["Read", "Approve", "Reject"]]);
    assert.deepEqual([proposed(0)?.urgency, proposed(0)?.next.map(({ label }) => label)], ["info", ["Read"]]);
    for (const type of ["PolicyRejected", "PolicyProposalWithdrawn", "PolicySuperseded", "PolicyPublished"])
      assert.equal(messageAbout(type, silent)?.urgency, "info", type);
  });

  it("is bounded, and cut between characters", () => {
    const long = messageOf(
      { kind: "k", title: "t", urgency: "info", next: [], fields: [shown("text", "😀".repeat(MAX_FIELD_LENGTH)), shown("list", Array(5_000).fill("x"))] },
      of,
      silent,
    );
    const [text, list] = long.fields.map(({ value }) => value);
    assert.ok(typeof text === "string" && text.length <= MAX_FIELD_LENGTH && text.isWellFormed() && text.endsWith("…"));
    assert.ok(typeof list === "object" && list.length <= 21);
  });

  it("leaves out what is empty", () => {
    const { fields } = messageOf({ kind: "k", title: "t", urgency: "info", next: [], fields: [shown("a", ""), shown("b", []), shown("c", 0)] }, of, silent);
    assert.deepEqual(fields, [{ name: "c", value: 0 }]);
  });
});

describe("a Slack message", () => {
  const notice: Notice = {
    kind: "k",
    title: "<!channel> & <http://evil.example|click>",
    urgency: "alarm",
    fields: [
      personal("reason", "<!here> <https://evil.example|here>"),
      sensitive("statement", "select '`' & 1 < 2"),
      ...Array.from({ length: 25 }, (_, i) => shown(`f${i}`, "<v>")),
    ],
    next: [{ label: "Approve", command: "sallyport approvals approve x`<!channel>", path: "approvals/x" }],
  };
  const body = slackBody(messageOf(notice, of, { people: true, statements: true, links: "https://gate.example.com" }));
  const parsed = JSON.parse(body) as {
    text: string;
    blocks: { type: string; fields?: { type: string; text: string }[]; text?: { type: string; text: string; verbatim?: boolean } }[];
  };

  it("rings no bell and holds no link that somebody wrote into a field", () => {
    const mrkdwn = JSON.stringify(parsed.blocks.filter(({ type }) => type === "section"));
    const inMarkup = parsed.blocks
      .flatMap(({ fields = [], text }) => [...fields, ...(text === undefined ? [] : [text])])
      .filter(({ type }) => type === "mrkdwn");
    for (const { text } of inMarkup) assert.doesNotMatch(text, /</u);
    assert.doesNotMatch(parsed.text, /</u);
    assert.ok(parsed.blocks.some(({ fields = [] }) => fields.some(({ type, text }) => type === "plain_text" && text.includes("<!here>"))));
    assert.ok(!mrkdwn.includes('"verbatim":false') && mrkdwn.includes('"verbatim":true'));
  });

  it("has no markup in a value, so that none looks like the name of another", () => {
    const fields = [shown("writes", ["x\n*requester*\nbo", "_a_ ~b~ `c` :tada:"])];
    const { blocks } = JSON.parse(slackBody(messageOf({ ...notice, fields }, of, silent))) as typeof parsed;
    const [name, value, ...more] = blocks.flatMap((block) => block.fields ?? []);
    assert.deepEqual([name, more], [{ type: "mrkdwn", text: "*writes*", verbatim: true }, []]);
    assert.deepEqual(value, { type: "plain_text", text: "x␊*requester*␊bo, _a_ ~b~ `c` :tada:", emoji: false });
  });

  it("keeps to Slack's bounds: ten texts to a section, 150 characters in a header", () => {
    assert.ok(parsed.blocks.every(({ fields = [] }) => fields.length <= 10));
    const [header] = parsed.blocks;
    assert.ok(header?.text?.type === "plain_text" && header.text.text.length <= 150);
    assert.equal(parsed.blocks.flatMap(({ fields = [] }) => fields).length, 2 * 27);
  });

  it("has a button for each link, and none without links", () => {
    assert.ok(parsed.blocks.some(({ type }) => type === "actions"));
    assert.ok(!slackBody(messageOf(notice, of, silent)).includes('"actions"'));
  });
});

describe("the words of a configuration", () => {
  it("name all events, a topic, or one event", () => {
    assert.deepEqual([...typesOf(["erasures", "AgentRevoked"])], ["ErasureRequested", "AgentRevoked"]);
    assert.deepEqual([...typesOf(["all"])].toSorted(), [...toldTypes].toSorted());
  });
});
