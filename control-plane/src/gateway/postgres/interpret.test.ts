import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { encodeFrame, type Frame, FrameDecoder } from "@sallyport/proto/wire/postgres/frames";
import { frontend } from "@sallyport/proto/wire/postgres/message-types";
import { type StatementAnalyser, unclassified } from "./facts/analysis.ts";
import { analyseGroup } from "./interpret.ts";

const parses = (...texts: readonly string[]): Frame[] =>
  new FrameDecoder(1_024).push(Buffer.concat(texts.map((text) => encodeFrame(frontend.parse, Buffer.from(`\0${text}\0\0\0`)))));

/** Knows texts that begin with `known`; counts those that it is asked for at once. */
class CountingAnalyser implements StatementAnalyser {
  #pending = 0;
  most = 0;

  analyse(sql: Buffer): ReturnType<StatementAnalyser["analyse"]> {
    const analysis = unclassified("a test", sql.toString(), false);
    if (analysis.recordable.startsWith("known")) return analysis;
    this.most = Math.max(this.most, ++this.#pending);
    return new Promise((resolve) =>
      setImmediate(() => {
        this.#pending--;
        resolve(analysis);
      }),
    );
  }

  ready = (): Promise<void> => Promise.resolve();
  close = (): Promise<void> => Promise.resolve();
}

describe("the texts of a group", () => {
  it("are answered in order, and without waiting when all are known", async () => {
    const analyser = new CountingAnalyser();
    assert.ok(!(analyseGroup(parses("known 1", "known 2"), analyser) instanceof Promise));
    const analyses = await analyseGroup(parses("known 1", "new 1", "known 2", "new 2"), analyser);
    assert.deepEqual(
      analyses.map(({ recordable }) => recordable),
      ["known 1", "new 1", "known 2", "new 2"],
    );
  });

  it("do not fill the parser's queue, which all sessions share", async () => {
    const analyser = new CountingAnalyser();
    await analyseGroup(parses(...Array.from({ length: 20 }, (_, i) => `new ${i}`)), analyser);
    assert.equal(analyser.most, 1);
  });
});
