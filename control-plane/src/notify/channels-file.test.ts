import assert from "node:assert/strict";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, describe, it } from "node:test";
import { SallyportError } from "@sallyport/proto/errors";
import { readChannels } from "./channels-file.ts";

const clock = { now: () => new Date("2026-11-22T10:00:00.000Z") };
const SECRET = `whsec_${Buffer.alloc(32, 9).toString("base64")}`;

describe("the file of channels", () => {
  const folder = mkdtempSync(join(tmpdir(), "sallyport-channels-"));
  after(() => rmSync(folder, { recursive: true }));
  const write = (name: string, text: string): string => {
    const path = join(folder, name);
    writeFileSync(path, text);
    return path;
  };
  const key = write("key", SECRET);
  const slackUrl = write("slack", "https://hooks.slack.example/services/T0/B0/hush-hush");
  const webhook = { name: "ops", kind: "webhook", url: "https://hooks.example.com/x", secrets: [{ file: key }], events: ["approvals"] };
  const slack = { name: "chat", kind: "slack", url: { file: slackUrl }, events: ["all"], people: true };
  const read = (...channels: readonly object[]) => readChannels(write("channels.json", JSON.stringify({ channels })), clock);
  const problem = (...channels: readonly object[]): string => {
    try {
      read(...channels);
    } catch (error) {
      assert.ok(error instanceof SallyportError && error.code === "config.invalid");
      return error.message;
    }
    return "none";
  };

  it("makes a channel of each entry, with what it may say", () => {
    const [ops, chat] = read(webhook, slack);
    assert.deepEqual([ops?.name, ops?.kind, ops?.types.has("ApprovalRequested"), ops?.types.has("AgentRevoked")], ["ops", "webhook", true, false]);
    assert.deepEqual([chat?.kind, chat?.discretion.people, chat?.discretion.statements, chat?.types.has("AgentRevoked")], ["slack", true, false, true]);
  });

  it("is refused with every problem named", () => {
    const message = problem({ ...webhook, events: ["aprovals"], color: "red" }, { ...slack, name: "Not A Name" });
    for (const part of ["SALLYPORT_NOTIFICATIONS", "channels[0].events[0]", "color", "channels[1].name"])
      assert.ok(message.includes(part), `${part} in ${message}`);
    assert.match(problem(webhook, webhook), /same name/u);
  });

  it("is refused with every problem of a channel whose kind is none, too", () => {
    const wrong = { name: "Not A Name", kind: "pager", events: ["aprovals"], url: "http://hooks.example.com/x" };
    const message = problem(wrong, { ...webhook, events: [] }, webhook);
    for (const part of [
      "channels[0].kind",
      "none of webhook, slack, email",
      "channels[0].name",
      "channels[0].events[0]",
      "channels[0].url",
      "nothing",
      "same name",
    ])
      assert.ok(message.includes(part), `${part} in ${message}`);
    for (const nothing of [{}, { kind: "toString", events: ["all"] }, "ops", null]) assert.match(problem(nothing as object), /channels\[0\]/u);
    const mail = problem({ kind: "email", name: "Not A Name", server: "smtp.example.com:25", tls: "none", user: "gate", caFile: join(folder, "missing") });
    for (const part of ["channels[0].name", "channels[0].from", "channels[0].caFile", "on this machine", "go together", "nothing"])
      assert.ok(mail.includes(part), `${part} in ${mail}`);
  });

  it("wants TLS, except to this machine, and no user in a URL", () => {
    assert.match(problem({ ...webhook, url: "http://hooks.example.com/x" }), /https/u);
    assert.match(problem({ ...webhook, url: "ftp://localhost/x" }), /https/u);
    assert.match(problem({ ...webhook, url: "https://me:hunter2@hooks.example.com/" }), /user or a password/u);
    assert.doesNotMatch(problem({ ...webhook, url: "https://me:hunter2@hooks.example.com/" }), /hunter2/u);
    assert.equal(problem({ ...webhook, url: "http://127.0.0.1:8080/x" }), "none");
  });

  it("names secrets and never holds one, nor tells one in refusing it", () => {
    for (const secrets of [[SECRET], [], [{ env: "SALLYPORT_SECRET" }], [{ file: key }, { file: key }, { file: key }]])
      assert.notEqual(problem({ ...webhook, secrets }), "none");
    const wrong = write("wrong", "hush-hush-hush");
    for (const message of [
      problem({ ...webhook, secrets: [{ file: wrong }] }),
      problem({ ...slack, url: { file: wrong } }),
      problem({ ...webhook, secrets: [SECRET] }),
    ]) {
      assert.ok(!message.includes("hush") && !message.includes(SECRET), message);
    }
    assert.match(problem({ ...webhook, secrets: [{ file: join(folder, "missing") }] }), /cannot be read/u);
    assert.match(problem({ ...webhook, secrets: [{ env: "NOT_SET_ANYWHERE" }] }), /\$NOT_SET_ANYWHERE is empty/u);
  });

  it("takes a mailbox, over TLS except on this machine, with a user and a password or neither", () => {
    const mail = { name: "mail", kind: "email", server: "smtp.example.com:587", from: "gate@example.com", to: ["ops@example.com"], groups: ["security"] };
    assert.equal(problem({ ...mail, user: "gate", password: { file: key } }), "none");
    assert.equal(problem({ ...mail, server: "localhost:25", tls: "none" }), "none");
    assert.match(problem({ ...mail, tls: "none" }), /on this machine/u);
    assert.match(problem({ ...mail, user: "gate" }), /go together/u);
    assert.match(problem({ ...mail, to: ["ops@example.com\r\nBcc: x@y.z"] }), /no address/u);
    assert.match(problem({ ...mail, groups: [] }), /listens to nothing/u);
  });

  it("is refused when it is not JSON, or not there", () => {
    for (const path of [write("broken.json", "{"), join(folder, "nowhere.json")]) {
      assert.throws(
        () => readChannels(path, clock),
        (error) => error instanceof SallyportError && error.code === "config.invalid" && error.message.includes(path),
      );
    }
  });
});
