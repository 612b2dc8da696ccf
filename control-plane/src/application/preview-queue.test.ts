import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { MAX_WAITING_PREVIEWS, PreviewQueue } from "./preview-queue.ts";

describe("previews of one resource", () => {
  it("run one at a time, in turn, also behind one that failed; those of another resource do not wait", async () => {
    const queue = new PreviewQueue();
    const first = Promise.withResolvers<void>();
    const begun: string[] = [];
    const look = (name: string, until?: Promise<void>) => async (): Promise<void> => {
      begun.push(name);
      await until;
    };
    const failing = assert.rejects(queue.run("orders", look("1", first.promise)), /gone/);
    const next = queue.run("orders", look("2"));
    await queue.run("other", look("3"));
    assert.deepEqual(begun, ["1", "3"]);
    first.reject(new Error("gone"));
    await failing;
    await next;
    assert.deepEqual(begun, ["1", "3", "2"]);
  });

  it("are refused when too many wait already, and not after", async () => {
    const queue = new PreviewQueue();
    const first = Promise.withResolvers<void>();
    const waiting = Array.from({ length: MAX_WAITING_PREVIEWS + 1 }, () => queue.run("orders", () => first.promise));
    await assert.rejects(
      queue.run("orders", () => first.promise),
      { code: "session.limit" },
    );
    first.resolve();
    await Promise.all(waiting);
    await queue.run("orders", () => Promise.resolve());
  });
});
