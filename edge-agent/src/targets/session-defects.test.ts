import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { describe, it } from "node:test";

/** A process of its own, as the runner of tests has handlers for what nobody handles. */
function run(script: string): { readonly status: number | null; readonly said: readonly string[]; readonly failure: string } {
  const prelude = `
    import { containDefects, withDefectsContained } from ${JSON.stringify(new URL("session-defects.ts", import.meta.url).href)};
    containDefects();
    const say = (...words) => console.log(words.join(" "));
    const channelOf = (name) => ({ close: ({ code }) => say(name, "closed", code) });
    const session = (name, more = {}) => ({ data() {}, control() {}, drained() {}, closed: () => say(name, "released"), ...more });
    const log = { error: ({ err }) => say("logged", err.message) };
    const failLater = async () => { await new Promise((resolve) => setImmediate(resolve)); throw new Error("defect"); };
  `;
  const { status, stdout, stderr } = spawnSync(process.execPath, ["--input-type=module", "--eval", prelude + script], { encoding: "utf8" });
  return { status, said: stdout.trim().split("\n"), failure: stderr };
}

describe("a promise that fails where nobody waits for it", () => {
  it("ends the session that it was begun for, and no other", () => {
    const { status, said } = run(`
      withDefectsContained(() => session("one"), channelOf("one"), log);
      const two = withDefectsContained(() => session("two", { control: () => void failLater() }), channelOf("two"), log);
      two.control({});
      setTimeout(() => say("alive"), 50);
    `);
    assert.deepEqual(said, ["logged defect", "two closed internal", "two released", "alive"]);
    assert.equal(status, 0);
  });

  it("ends it also when the session was still opening", () => {
    const { said } = run(`withDefectsContained(() => { void failLater(); return session("one"); }, channelOf("one"), log);`);
    assert.deepEqual(said, ["logged defect", "one closed internal", "one released"]);
  });

  it("ends the process when it is of no session", () => {
    const { status, failure } = run(`void failLater();`);
    assert.notEqual(status, 0);
    assert.match(failure, /defect/);
  });
});
