import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { MAX_WAITING, ParserLane } from "./parser-lane.ts";

const misbehaving = new URL("./misbehaving-parser.fixture.ts", import.meta.url);
/** Long enough for a busy machine to answer a text that does not hang. */
const options = { cpuLimitMs: () => 1_000, clockLimitMs: 1_000, maxInFlight: 16, background: false, harmlessFunctions: [], workerFile: misbehaving };

describe("a parser thread that dies", () => {
  for (const [text, cause] of [
    ["hang", "time"],
    ["spin", "time"],
    ["exit", "broken"],
    ["throw", "broken"],
    ["overflow", "broken"],
    ["broken", "broken"],
  ] as const) {
    it(`fails the text it died of (${text}), and answers those before and behind it`, async () => {
      const lane = new ParserLane(options);
      const outcomes = await Promise.all(["a", "b", text, "c", "d"].map((one) => lane.run(one, "analyse")));
      assert.deepEqual(
        outcomes.map(({ kind }) => kind),
        ["analysed", "analysed", "failed", "analysed", "analysed"],
      );
      assert.deepEqual(outcomes[2], { kind: "failed", cause });
      assert.equal((await lane.run("e", "analyse")).kind, "analysed");
      await lane.close();
    });
  }

  it("is not taken for one that hangs while it gets none of the CPU", { skip: process.platform !== "linux" }, async () => {
    const lane = new ParserLane({ ...options, cpuLimitMs: () => 100, clockLimitMs: 60_000 });
    assert.equal((await lane.run("doze", "analyse")).kind, "analysed");
    assert.deepEqual(await lane.run("spin", "analyse"), { kind: "failed", cause: "time" });
    assert.equal((await lane.run("doze", "analyse")).kind, "analysed");
    await lane.close();
  });

  it("gives a text up that stood behind one killer after another", async () => {
    const lane = new ParserLane(options);
    const outcomes = await Promise.all(["exit", "exit", "exit", "exit", "exit", "a"].map((text) => lane.run(text, "analyse")));
    assert.deepEqual(new Set(outcomes.map(({ kind }) => kind)), new Set(["failed"]));
    assert.equal((await lane.run("a", "analyse")).kind, "analysed");
    await lane.close();
  });

  it("fails what waits when it cannot start, and tells those who wait for it to be ready", async () => {
    const lane = new ParserLane({ ...options, workerFile: new URL("./no-such-file.ts", import.meta.url) });
    await lane.ready();
    assert.deepEqual(await lane.run("a", "analyse"), { kind: "failed", cause: "start" });
    await lane.close();
  });
});

describe("a parser lane", () => {
  it("refuses more texts than its bound at once, and serves the others", async () => {
    const lane = new ParserLane(options);
    const outcomes = await Promise.all(Array.from({ length: MAX_WAITING + 3 }, () => lane.run("a", "analyse")));
    assert.equal(outcomes.filter(({ kind }) => kind === "full").length, 3);
    assert.equal(outcomes.filter(({ kind }) => kind === "analysed").length, MAX_WAITING);
    await lane.close();
  });

  it("answers what waits when it is closed", async () => {
    const lane = new ParserLane(options);
    await lane.ready();
    const waiting = ["hang", "a"].map((text) => lane.run(text, "analyse"));
    await lane.close();
    const gone = { kind: "failed", cause: "start" };
    assert.deepEqual(await Promise.all(waiting), [gone, gone]);
  });
});
