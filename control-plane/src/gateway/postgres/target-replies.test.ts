import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { encodeErrorResponse, encodeReadyForQuery } from "@sallyport/proto/wire/postgres/backend";
import { encodeFrame } from "@sallyport/proto/wire/postgres/frames";
import { BackendSkimmer } from "./backend-skimmer.ts";
import { RunningCommand } from "./running-command.ts";
import { TargetReplies } from "./target-replies.ts";

const message = (letter: string, payload = ""): Buffer => encodeFrame(letter.charCodeAt(0), Buffer.from(payload, "latin1"));
const failure = encodeErrorResponse({ severity: "ERROR", sqlstate: "22012", message: "division by zero" });

function session(): { readonly replies: TargetReplies; readonly happened: string[]; target: (...messages: Buffer[]) => void } {
  const happened: string[] = [];
  const replies = new TargetReplies({
    copyIn: () => happened.push("copyIn"),
    ready: (status) => happened.push(`ready ${status}`),
    parameter: (name, value) => happened.push(`${name}=${value}`),
    ended: (command) => happened.push(`ended ${command?.commandId ?? "nobody"}`),
    finished: (command) => {
      const { outcome, tag, errorCode } = command.completed().data;
      happened.push(`finished ${command.commandId} ${outcome}${tag === "" ? "" : ` ${tag}`}${errorCode === undefined ? "" : ` ${errorCode}`}`);
    },
  });
  const skimmer = new BackendSkimmer();
  return { replies, happened, target: (...messages) => void skimmer.push(Buffer.concat(messages), (each) => replies.visit(each)) };
}

describe("TargetReplies", () => {
  it("ends a simple query of several statements once, at ReadyForQuery", () => {
    const { replies, happened, target } = session();
    replies.expect({ kind: "whole", command: new RunningCommand(1) });
    target(message("C", "INSERT 0 1\0"), message("C", "SELECT 2\0"), encodeReadyForQuery("I"));
    assert.deepEqual(happened, ["ended 1", "ended 1", "finished 1 succeeded SELECT 2", "ready I"]);
    assert.equal(replies.idle, true);
  });

  it("fails the command that broke and skips the rest of its group, as the target does", () => {
    const { replies, happened, target } = session();
    const confirmed: string[] = [];
    replies.expect({ kind: "parse", confirmed: () => confirmed.push("a") });
    for (const id of [1, 2, 3]) {
      replies.expect({ kind: "bind", confirmed: () => confirmed.push(`b${id}`) });
      replies.expect({ kind: "execute", command: new RunningCommand(id) });
    }
    replies.expect({ kind: "sync" });
    target(message("1"), message("2"), message("C", "SELECT 1\0"), message("2"), failure, encodeReadyForQuery("E"));
    assert.deepEqual(confirmed, ["a", "b1", "b2"]);
    assert.deepEqual(happened, ["ended 1", "ended 2", "finished 1 succeeded SELECT 1", "finished 2 failed 22012", "finished 3 cancelled", "ready E"]);
  });

  it("skips what is sent into a failed group, and is idle rather than waiting for answers that never come", () => {
    const { replies, happened, target } = session();
    replies.expect({ kind: "execute", command: new RunningCommand(1) });
    target(failure);
    assert.equal(replies.failed, true);
    replies.expect({ kind: "execute", command: new RunningCommand(2) });
    assert.equal(replies.idle, true);
    replies.expect({ kind: "sync" });
    target(encodeReadyForQuery("I"));
    assert.equal(replies.failed, false);
    assert.deepEqual(happened, ["ended 1", "finished 1 failed 22012", "finished 2 cancelled", "ready I"]);
  });

  it("fails what had succeeded when the end of the group fails, as a deferred constraint does", () => {
    const { replies, happened, target } = session();
    replies.expect({ kind: "execute", command: new RunningCommand(1) });
    replies.expect({ kind: "sync" });
    target(message("C", "INSERT 0 1\0"), encodeErrorResponse({ severity: "ERROR", sqlstate: "23503", message: "deferred" }), encodeReadyForQuery("I"));
    assert.deepEqual(happened, ["ended 1", "ended nobody", "finished 1 failed INSERT 0 1 23503", "ready I"]);
  });

  it("believes no name whose Parse the target refused", () => {
    const { replies, target } = session();
    let known = false;
    replies.expect({ kind: "parse", confirmed: () => (known = true) });
    replies.expect({ kind: "sync" });
    target(failure, encodeReadyForQuery("I"));
    assert.equal(known, false);
  });

  it("knows that COPY swallows the Sync that was sent along", () => {
    const { replies, happened, target } = session();
    replies.expect({ kind: "execute", command: new RunningCommand(1) });
    replies.expect({ kind: "sync" });
    target(message("G", "\0\0\0"));
    assert.equal(replies.whole, false);
    replies.expect({ kind: "sync" });
    target(message("C", "COPY 3\0"), encodeReadyForQuery("I"));
    assert.deepEqual(happened, ["copyIn", "ended 1", "finished 1 succeeded COPY 3", "ready I"]);
  });

  it("finishes what was under way with an unknown outcome when the target is lost (R2)", () => {
    const { replies, happened } = session();
    replies.expect({ kind: "execute", command: new RunningCommand(1) });
    replies.expect({ kind: "sync" });
    replies.lost();
    assert.deepEqual(happened, ["finished 1 unknown"]);
  });

  it("calls a statement that was cancelled cancelled", () => {
    const { replies, happened, target } = session();
    replies.expect({ kind: "whole", command: new RunningCommand(1) });
    target(encodeErrorResponse({ severity: "ERROR", sqlstate: "57014", message: "canceling" }), encodeReadyForQuery("I"));
    assert.deepEqual(happened, ["ended 1", "finished 1 cancelled 57014", "ready I"]);
  });
});
