import assert from "node:assert/strict";
import { describe, it } from "node:test";
import fc from "fast-check";
import { createCedarCompiler } from "./compiler.ts";
import { anyPolicy } from "./testing/any-policy.ts";
import { anyRequests } from "./testing/any-request.ts";
import { plainEngine } from "./testing/plain-engine.ts";

/** Each run compiles a set twice, some 50 ms; more of them with RUNS in the environment. Not shrunk, which would take minutes. */
const runs = { numRuns: Number(process.env["RUNS"] ?? 30), endOnFailure: true };

describe("the engine, which tells Cedar only what rules look at, and remembers", () => {
  it("decides as Cedar does that is told everything each time", () => {
    const compiler = createCedarCompiler();
    fc.assert(
      fc.property(anyPolicy, anyRequests, (text, requests) => {
        const files = [{ name: "a.cedar", text }];
        const [engine, plain] = [compiler.compile("v1", files), plainEngine(files)];
        for (const request of requests) {
          const { effect, rules, reason, obligations, quorum, lacks } = engine.decide(request);
          assert.deepEqual({ effect, rules, reason, obligations, quorum, lacks }, plain(request));
        }
      }),
      runs,
    );
  });
});
