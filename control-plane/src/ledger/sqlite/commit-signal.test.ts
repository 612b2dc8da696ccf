import assert from "node:assert/strict";
import { describe, it } from "node:test";
import type { LedgerFilter } from "../ledger.ts";
import { CommitSignal, type Committed } from "./commit-signal.ts";

const agents: LedgerFilter = { by: "stream", prefixes: ["agent-", "node-"] };
const never = new AbortController().signal;

/** One append whose last event is at `position`. */
const append = (stream: string, position: number, types: readonly string[] = ["T"]): Committed => ({
  append: { stream, events: types.map((type) => ({ type })) },
  position,
});

/** Waits behind position 10, and tells what it was woken with. */
function waiting(filter: LedgerFilter | undefined, { after = 10, atLatest = 1_000, signal = never } = {}) {
  const commits = new CommitSignal(10);
  const woken: number[] = [];
  const done = commits.past({ after, filter, atLatest, signal }).then((at) => woken.push(at));
  const commit = async (position: number, ...committed: Committed[]): Promise<readonly number[]> => {
    commits.advance(position, committed);
    await new Promise((resolve) => setImmediate(resolve));
    return woken;
  };
  return { commits, commit, woken, done };
}

describe("CommitSignal", () => {
  it("does not wake for what the filter keeps out, and answers how far that went (C1)", async () => {
    const { commit } = waiting(agents);
    assert.deepEqual(await commit(12, append("session-1", 11), append("session-2", 12)), []);
    assert.deepEqual(await commit(15, append("session-1", 15, ["A", "B", "C"])), []);
    assert.deepEqual(await commit(17, append("session-1", 16), append("node-1", 17)), [15]);
  });

  it("looks at types when the filter is by type, at every event of an append", async () => {
    const { commit } = waiting({ by: "type", prefixes: ["Agent"] });
    assert.deepEqual(await commit(11, append("agent-1", 11, ["NodeStarted"])), []);
    assert.deepEqual(await commit(13, append("x-1", 13, ["NodeStarted", "AgentEnrolled"])), [11]);
  });

  it("wakes for everything without a filter", async () => {
    assert.deepEqual(await waiting(undefined).commit(11, append("session-1", 11)), [10]);
  });

  it("wakes when positions are missing, wherever they are, since anything may be at them (C2)", async () => {
    for (const committed of [
      [append("session-1", 12)],
      [append("session-1", 11), append("session-2", 13)],
      [append("session-1", 11)],
      [append("session-1", 12, ["A", "B", "C"])],
      [],
    ]) {
      assert.deepEqual(await waiting(agents).commit(13, ...committed), [10]);
    }
  });

  it("is not misled by a retry that was recognised", async () => {
    const { commit } = waiting(agents);
    assert.deepEqual(await commit(11, append("agent-1", 7), append("session-1", 11)), [10], "cheaper to look than to know");
    assert.deepEqual(await waiting(agents).commit(11, append("session-1", 7), append("session-1", 11)), []);
  });

  it("wakes at the latest where it is told to, whatever is there", async () => {
    const { commit } = waiting(agents, { atLatest: 12 });
    assert.deepEqual(await commit(11, append("session-1", 11)), []);
    assert.deepEqual(await commit(12, append("session-1", 12)), [11]);
  });

  it("leaves a waiter alone that starts beyond the log until the log gets there", async () => {
    const { commit } = waiting(agents, { after: 12 });
    assert.deepEqual(await commit(12, append("agent-1", 11), append("agent-1", 12)), []);
    assert.deepEqual(await commit(13, append("agent-1", 13)), [12]);
  });

  it("resolves when aborted, when closed, and at once when it need not wait", async () => {
    const stop = new AbortController();
    const aborted = waiting(agents, { signal: stop.signal });
    await aborted.commit(11, append("session-1", 11));
    stop.abort();
    await aborted.done;
    assert.deepEqual(aborted.woken, [11]);
    const closed = waiting(agents);
    closed.commits.close();
    await closed.done;
    assert.equal(await closed.commits.past({ after: 10, filter: agents, atLatest: 1_000, signal: never }), 10);
    assert.equal(await new CommitSignal(10).past({ after: 9, filter: agents, atLatest: 1_000, signal: never }), 9);
  });
});
