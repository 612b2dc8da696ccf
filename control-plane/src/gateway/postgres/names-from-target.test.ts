import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { NAMES_FRESH_MS, NAMES_REFRESH_MS, NamesFromTarget } from "./names-from-target.ts";

/** Answers in order, each when it is let go. */
function scene() {
  let now = 0;
  const asked: ((names: readonly string[] | undefined | "ended") => void)[] = [];
  const list = new NamesFromTarget(() => now);
  const get = () =>
    list.get(() => {
      const { promise, resolve } = Promise.withResolvers<readonly string[] | undefined | "ended">();
      asked.push(resolve);
      return promise;
    });
  return { list, get, asked, pass: (ms: number) => (now += ms) };
}

describe("names that only the target knows", () => {
  it("are asked once for everybody, and again before they are old, while nobody waits", async () => {
    const { get, asked, pass } = scene();
    const both = Promise.all([get(), get()]);
    asked[0]?.(["ann"]);
    assert.deepEqual(await both, [["ann"], ["ann"]]);
    pass(NAMES_REFRESH_MS + 1);
    assert.deepEqual([get(), get(), asked.length], [["ann"], ["ann"], 2]);
    asked[1]?.(["ann", "bob"]);
    await Promise.resolve();
    assert.deepEqual(get(), ["ann", "bob"]);
  });

  it("stay known when the session that asked again ends before it is answered, and no longer than they count", async () => {
    const { get, asked, pass } = scene();
    const first = get();
    asked[0]?.(["ann"]);
    await first;
    pass(NAMES_REFRESH_MS + 1);
    assert.deepEqual(get(), ["ann"]);
    asked[1]?.("ended");
    await Promise.resolve();
    assert.deepEqual(get(), ["ann"]);
    asked[2]?.(undefined);
    await Promise.resolve();
    pass(NAMES_FRESH_MS - NAMES_REFRESH_MS);
    const last = get();
    asked[3]?.(undefined);
    assert.equal(await last, undefined);
  });

  it("are not asked again and again where they cannot be told", async () => {
    const { get, asked } = scene();
    const first = get();
    asked[0]?.(undefined);
    assert.deepEqual([await first, get(), asked.length], [undefined, undefined, 1]);
  });

  it("are asked by the next who waits when the session that asked ends, and by whoever comes then", async () => {
    const { get, asked } = scene();
    const [first, second, third] = [get(), get(), get()];
    asked[0]?.("ended");
    assert.equal(await first, undefined);
    assert.equal(asked.length, 2);
    asked[1]?.("ended");
    await second;
    asked[2]?.(["ann"]);
    assert.deepEqual([await third, get(), asked.length], [["ann"], ["ann"], 3]);
    const alone = scene();
    const over = alone.get();
    alone.asked[0]?.("ended");
    await over;
    assert.ok(alone.get() instanceof Promise);
  });

  it("are asked again once they may have changed, also when that was while somebody asked", async () => {
    const { list, get, asked } = scene();
    const before = get();
    list.forget();
    const after = get();
    asked[0]?.(["wipe"]);
    asked[1]?.(["wipe", "mark"]);
    assert.deepEqual([await before, await after, get(), asked.length], [["wipe"], ["wipe", "mark"], ["wipe", "mark"], 2]);
    list.forget();
    assert.ok(get() instanceof Promise);
  });
});
