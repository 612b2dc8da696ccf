import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { eventId, uuidV5 } from "./event-id.ts";

describe("event ids", () => {
  it("are the UUID version 5 of RFC 9562, appendix A.4", () => {
    const dns = "6ba7b810-9dad-11d1-80b4-00c04fd430c8";
    assert.equal(uuidV5(dns, "www.example.com"), "2ed6657d-e927-568b-95e1-2665a8aea6a2");
  });

  it("are the same for the same command and index, today and in every later release", () => {
    assert.equal(eventId("c7d0b0a2-8a4b-4f1e-9a53-0d3c2f9f4a11", 0), "6c4c77f0-b991-50f2-9e3e-992d4810a28c");
    assert.equal(eventId("c7d0b0a2-8a4b-4f1e-9a53-0d3c2f9f4a11", 1), "33ce5347-dcd5-5093-8bb5-356412185f31");
  });

  it("never agree for two commands or two indexes", () => {
    const ids = ["a", "a:1", "a:1:1", "b"].flatMap((command) => [0, 1, 11].map((index) => eventId(command, index)));
    assert.equal(new Set(ids).size, ids.length);
  });

  it("are refused for what is not an index or not Unicode", () => {
    assert.throws(() => eventId("a", -1), RangeError);
    assert.throws(() => eventId("a", 0.5), RangeError);
    assert.throws(() => eventId("a\ud800", 0), TypeError);
  });
});
