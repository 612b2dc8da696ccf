import assert from "node:assert/strict";
import { EventEmitter } from "node:events";
import { describe, it } from "node:test";
import { onStopSignals, SIGNAL_ECHO_MS } from "./stop-signals.ts";

describe("signals to stop", () => {
  it("stop once, however often they come at first, and cut when one comes later", () => {
    const source = new EventEmitter();
    const done: string[] = [];
    let now = 1_000;
    const begin = onStopSignals(source, { stop: () => done.push("stop"), cut: () => done.push("cut") }, () => now);
    source.emit("SIGTERM");
    source.emit("SIGTERM");
    now += SIGNAL_ECHO_MS;
    source.emit("SIGINT");
    begin();
    assert.deepEqual(done, ["stop"]);
    now++;
    begin();
    assert.deepEqual(done, ["stop"], "only a signal cuts");
    source.emit("SIGINT");
    assert.deepEqual(done, ["stop", "cut"]);
  });
});
