import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { describe, it, type TestContext } from "node:test";
import type { Outcome } from "@sallyport/control-plane/src/notify/channel.ts";
import { emailMessage } from "@sallyport/control-plane/src/notify/email/email-message.ts";
import { submit, type Submission } from "@sallyport/control-plane/src/notify/email/smtp-send.ts";
import type { Message } from "@sallyport/control-plane/src/notify/message.ts";
import { testCertificate } from "../support/certificate.ts";
import { SmtpServer } from "../support/smtp-server.ts";
import { tempDir } from "../support/temp-dir.ts";

const HANG_MS = 20_000;
/** For servers that never answer, in tests that wait for that. */
const SHORT_DEADLINE_MS = 200;
const login = { user: "sallyport", password: "correct-horse" };
const FROM = "gate@example.com";
const TO = ["ops@example.com", "security@example.com"];
const now = new Date("2026-11-22T10:00:00.000Z");

const message: Message = {
  id: "e1_mail",
  kind: "approval.requested",
  title: "Ein Befehl wartet – 日本語\r\nBcc: evil@example.com",
  urgency: "alarm",
  at: "2026-11-22T10:00:00.000Z",
  eventId: "e1",
  eventType: "ApprovalRequested",
  fields: [{ name: "reason", value: ".\r\n.\r\nQUIT\r\n" }],
  next: [{ label: "Approve", command: "sallyport approvals approve a1" }],
};

describe("a notification by e-mail", { timeout: HANG_MS }, () => {
  async function scene(t: TestContext, isSecure = true) {
    const certificate = await testCertificate(tempDir(t, "smtp"));
    const server = await SmtpServer.start(t, isSecure ? certificate : undefined);
    const ca = readFileSync(certificate.caFile, "utf8");
    const send = (more: Partial<Submission> = {}): Promise<Outcome> =>
      submit(
        { host: "localhost", port: server.port, tls: "starttls", ca, login, from: FROM, to: TO, message: emailMessage(message, FROM, TO, now), ...more },
        new AbortController().signal,
      );
    return { server, send };
  }

  it("is submitted once, encrypted and signed in, to everybody who is named", async (t) => {
    const { server, send } = await scene(t);
    assert.deepEqual(await send(), { kind: "delivered" });
    const [mail, ...more] = server.mails;
    assert.ok(mail);
    assert.equal(more.length, 0);
    assert.deepEqual([mail.from, mail.to, mail.encrypted, mail.login], [FROM, TO, true, "\0sallyport\0correct-horse"]);
    assert.doesNotMatch(server.clear, /AUTH|MAIL|correct/u);
  });

  it("holds what it says whatever is in it: no header, no end and no command comes of it", async (t) => {
    const { server, send } = await scene(t);
    await send();
    const [head = "", body = ""] = (server.mails[0]?.data ?? "").split("\r\n\r\n");
    const names = head.split(/\r\n(?! )/u).map((line) => line.split(":")[0]);
    assert.deepEqual(names, ["From", "To", "Subject", "Date", "Message-ID", "Auto-Submitted", "MIME-Version", "Content-Type", "Content-Transfer-Encoding"]);
    assert.ok(
      head.split("\r\n").every((line) => line.length <= 76),
      head,
    );
    const text = Buffer.from(body, "base64").toString("utf8");
    assert.ok(text.includes("日本語") && text.includes("sallyport approvals approve a1") && text.includes(".\r\n.\r\nQUIT"));
  });

  it("is given to nobody whose certificate does not hold, or who offers no encryption", async (t) => {
    const { server, send } = await scene(t);
    const strange = await send({ ca: readFileSync((await testCertificate(tempDir(t, "other"))).caFile, "utf8") });
    assert.equal(strange.kind, "failed");
    const { server: plain, send: sendPlain } = await scene(t, false);
    assert.deepEqual(await sendPlain(), { kind: "failed", failure: "no starttls", ofChannel: true });
    for (const each of [server, plain]) assert.deepEqual([each.mails.length, /AUTH|MAIL/u.test(each.clear)], [0, false]);
  });

  it("fails with the code of the refusal alone: for good when it is about the message, to be tried again otherwise", async (t) => {
    const { server, send } = await scene(t);
    for (const [verb, answer, expected] of [
      ["AUTH", "535 5.7.8 correct-horse is wrong", { kind: "failed", failure: "smtp 535", final: false, ofChannel: true }],
      ["RCPT", "450 4.2.0 greylisted", { kind: "failed", failure: "smtp 450", final: false, ofChannel: false }],
      ["RCPT", "550 5.1.1 nobody", { kind: "failed", failure: "smtp 550", final: true, ofChannel: false }],
      ["END", "452 full", { kind: "failed", failure: "smtp 452", final: false, ofChannel: false }],
    ] as const) {
      server.answers.clear();
      server.answers.set(verb, answer);
      assert.deepEqual(await send(), expected);
    }
    assert.equal(server.mails.length, 0);
  });

  it("goes to those of its receivers whom the server takes, and says how many it did not", async (t) => {
    const { server, send } = await scene(t);
    const [first = "", second = ""] = TO;
    server.answers.set(`RCPT TO:<${first}>`, "550 5.1.1 nobody").set(`RCPT TO:<${second}>`, "251 will forward");
    assert.deepEqual(await send(), { kind: "delivered", refusedReceivers: 1 });
    assert.deepEqual(
      server.mails.map(({ to }) => to),
      [[second]],
    );
    server.answers.set(`RCPT TO:<${second}>`, "450 4.2.0 greylisted");
    assert.deepEqual(await send(), { kind: "failed", failure: "smtp 450", final: false, ofChannel: false }, "one of them may take it later");
    server.answers.set(`RCPT TO:<${second}>`, "421 closing");
    assert.deepEqual(await send(), { kind: "failed", failure: "smtp 421", final: false, ofChannel: true });
    assert.equal(server.mails.length, 1);
  });

  it("is broken off when the server says nothing, too much, or nonsense", async (t) => {
    const { server, send } = await scene(t);
    server.answers.set("DATA", "");
    assert.deepEqual(await send({ deadlineMs: SHORT_DEADLINE_MS }), { kind: "failed", failure: "timeout", ofChannel: true });
    for (const answer of [`250-${"x".repeat(100_000)}`, "hello there"]) {
      server.answers.clear();
      server.answers.set("EHLO", answer);
      const outcome = await send({ deadlineMs: SHORT_DEADLINE_MS });
      assert.equal(outcome.kind, "failed");
    }
    assert.equal(server.mails.length, 0);
  });
});
