import assert from "node:assert/strict";
import { describe, it, type TestContext } from "node:test";
import { setImmediate as nextTurn } from "node:timers/promises";
import { SallyportError } from "@sallyport/proto/errors";
import { APPEND_DEADLINE_MS, AppendQueue, MAX_BATCH_APPENDS, MAX_BATCH_BYTES, MAX_QUEUED_APPENDS, MAX_QUEUED_BYTES } from "./append-queue.ts";
import type { Failure } from "./sqlite-failure.ts";
import type { AppendOutcome, EncodedAppend, WriterReply } from "./writer-messages.ts";

/** A disk that answers when the test says so: no real one can be made to stall for 5 s on every machine. */
function slowDisk(t: TestContext) {
  t.mock.timers.enable({ apis: ["setTimeout"] });
  const batches: (readonly EncodedAppend[])[] = [];
  const commits: number[] = [];
  let now = 0;
  let position = 0;
  let onReply: (reply: WriterReply) => void = () => undefined;
  let die: (failure: Failure) => void = () => undefined;
  const listen = (reply: typeof onReply, death: typeof die): void => {
    onReply = reply;
    die = death;
  };
  const queue = new AppendQueue(
    { listen, commit: (appends) => batches.push(appends) },
    (head) => commits.push(head),
    () => now,
  );
  const succeed = (): AppendOutcome => ({ kind: "appended", revision: 0, position: ++position });
  return {
    queue,
    batches,
    commits,
    sizes: () => batches.map(({ length }) => length),
    add: (count: number, bytes = 100) => Array.from({ length: count }, () => queue.append({ stream: "a-1", expected: -1, events: [], bytes })),
    answer: (outcomes: readonly AppendOutcome[] = (batches.at(-1) ?? []).map(succeed)) => onReply({ kind: "committed", outcomes }),
    fail: (failure: Failure) => onReply({ kind: "failed", failure }),
    die: (failure: Failure) => die(failure),
    pass: (ms: number) => {
      now += ms;
      t.mock.timers.tick(ms);
    },
  };
}

const code = async (append: Promise<unknown> | undefined): Promise<string> =>
  append === undefined
    ? "nothing"
    : append.then(
        () => "appended",
        (error: unknown) => (error instanceof SallyportError ? error.code : String(error)),
      );
const codes = (appends: readonly Promise<unknown>[]): Promise<string[]> => Promise.all(appends.map(code));

describe("AppendQueue", () => {
  it("sends what one turn brings as one batch, and what comes during a commit as the next (Q1)", async (t) => {
    const disk = slowDisk(t);
    const first = disk.add(3);
    await nextTurn();
    const second = disk.add(5);
    await nextTurn();
    assert.deepEqual(disk.sizes(), [3]);
    disk.answer();
    assert.deepEqual(disk.sizes(), [3, 5]);
    disk.answer();
    const positions = await Promise.all([...first, ...second]);
    assert.deepEqual(
      positions.map(({ position }) => position),
      [1n, 2n, 3n, 4n, 5n, 6n, 7n, 8n],
    );
    assert.deepEqual(disk.commits, [3, 8]);
  });

  it("bounds a batch in number and in bytes", async (t) => {
    const disk = slowDisk(t);
    const appends = [...disk.add(MAX_BATCH_APPENDS + 1), ...disk.add(3, MAX_BATCH_BYTES / 2 + 1)];
    await nextTurn();
    for (let i = 0; i < 4; i++) disk.answer();
    assert.deepEqual(disk.sizes(), [MAX_BATCH_APPENDS, 2, 1, 1]);
    assert.equal((await Promise.all(appends)).length, MAX_BATCH_APPENDS + 4);
  });

  it("answers each append of a batch with its own outcome", async (t) => {
    const disk = slowDisk(t);
    const appends = disk.add(3);
    await nextTurn();
    disk.answer([
      { kind: "appended", revision: 0, position: 9 },
      { kind: "conflict", head: 4 },
      { kind: "appended", revision: 1, position: 7 },
    ]);
    assert.deepEqual(await codes(appends), ["appended", "stream.conflict", "appended"]);
    assert.deepEqual(disk.commits, [9]);
  });

  it("fails a batch with ledger.unavailable and its cause, and goes on with the next", async (t) => {
    const disk = slowDisk(t);
    const [first] = disk.add(1);
    await nextTurn();
    disk.fail({ message: "database or disk is full", errcode: 13 });
    await assert.rejects(
      first as Promise<unknown>,
      (error) => error instanceof SallyportError && error.code === "ledger.unavailable" && error.cause instanceof Error,
    );
    const second = disk.add(1);
    await nextTurn();
    disk.answer();
    assert.deepEqual(await codes(second), ["appended"]);
  });

  it("says that the file is damaged when SQLite says so", async (t) => {
    const disk = slowDisk(t);
    const appends = disk.add(1);
    await nextTurn();
    disk.fail({ message: "database disk image is malformed", errcode: 11 | (1 << 8) });
    assert.deepEqual(await codes(appends), ["ledger.corrupt"]);
  });

  it("refuses at once beyond its bounds, and takes more when there is room again (Q3)", async (t) => {
    const disk = slowDisk(t);
    const accepted = disk.add(MAX_QUEUED_APPENDS);
    assert.deepEqual(await codes(disk.add(1)), ["ledger.unavailable"]);
    await nextTurn();
    while (disk.sizes().reduce((sum, size) => sum + size, 0) < MAX_QUEUED_APPENDS) disk.answer();
    disk.answer();
    await Promise.all(accepted);

    const large = disk.add(1, MAX_QUEUED_BYTES - 100);
    assert.deepEqual(await codes(disk.add(1, 101)), ["ledger.unavailable"]);
    await nextTurn();
    disk.answer();
    assert.deepEqual(await codes(large), ["appended"]);
    const again = disk.add(1, MAX_QUEUED_BYTES);
    await nextTurn();
    disk.answer();
    assert.deepEqual(await codes(again), ["appended"]);
  });

  it("rejects what has no answer by its deadline; what was never sent is never sent (Q2)", async (t) => {
    const disk = slowDisk(t);
    const sent = disk.add(2);
    await nextTurn();
    disk.pass(2_000);
    const waiting = disk.add(1);
    disk.pass(APPEND_DEADLINE_MS - 2_000);
    assert.deepEqual(await codes(sent), ["ledger.unavailable", "ledger.unavailable"]);
    disk.pass(2_000);
    assert.deepEqual(await codes(waiting), ["ledger.unavailable"]);
    disk.answer();
    assert.deepEqual(disk.sizes(), [2]);
    assert.deepEqual(disk.commits, [2], "what landed late is told to subscriptions all the same");
    const later = disk.add(1);
    await nextTurn();
    disk.answer();
    assert.deepEqual(await codes(later), ["appended"]);
  });

  it("keeps the bytes of a batch that is past its deadline in its bounds until the disk answers (Q3)", async (t) => {
    const disk = slowDisk(t);
    const stuck = disk.add(1, MAX_QUEUED_BYTES);
    await nextTurn();
    disk.pass(APPEND_DEADLINE_MS);
    assert.deepEqual(await codes(stuck), ["ledger.unavailable"]);
    assert.deepEqual(await codes(disk.add(1)), ["ledger.unavailable"]);
    disk.answer();
    const later = disk.add(1);
    await nextTurn();
    disk.answer();
    assert.deepEqual(await codes(later), ["appended"]);
  });

  it("rejects everything when the writer dies, and refuses from then on", async (t) => {
    const disk = slowDisk(t);
    const appends = disk.add(2);
    await nextTurn();
    appends.push(...disk.add(1));
    disk.die({ message: "out of memory" });
    assert.deepEqual(
      await codes([...appends, ...disk.add(1)]),
      Array.from({ length: 4 }, () => "ledger.unavailable"),
    );
    await disk.queue.drain();
  });

  it("drains: refuses new appends and waits for the accepted ones", async (t) => {
    const disk = slowDisk(t);
    const accepted = disk.add(2);
    const drained = disk.queue.drain();
    assert.deepEqual(await codes(disk.add(1)), ["ledger.unavailable"]);
    await nextTurn();
    disk.answer();
    await drained;
    assert.deepEqual(await codes(accepted), ["appended", "appended"]);
  });
});
