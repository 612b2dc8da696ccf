import assert from "node:assert/strict";
import { describe, it } from "node:test";
import fc from "fast-check";
import { JSON_CONTENT, rawForm, type RawEvent, storedForm } from "./foreign-event.ts";

const raw = (contentType: string, data: string | Buffer, metadata: string | Buffer = ""): RawEvent => ({
  contentType,
  data: Buffer.from(data as string),
  metadata: Buffer.from(metadata as string),
});

describe("an event of somebody else", () => {
  it("comes out byte for byte, whatever it holds, through JSON and back (F1)", () => {
    const json = fc.json().map((text) => Buffer.from(text));
    const bytes = fc.oneof(
      fc.uint8Array({ maxLength: 40 }).map((array) => Buffer.from(array)),
      json,
      fc
        .constantFrom('{"a":1.0}', '{ "a": 1 }', '{"b":1,"a":2,"1":3}', '{"a":1e400}', '{"a":12345678901234567890}', '{"a":"\\ud800"}', "\ufeff{}")
        .map((text) => Buffer.from(text)),
    );
    fc.assert(
      fc.property(fc.constantFrom(JSON_CONTENT, "application/octet-stream", "text/x"), bytes, bytes, (contentType, data, metadata) => {
        const event = { contentType, data, metadata };
        const stored = JSON.parse(JSON.stringify(storedForm(event))) as ReturnType<typeof storedForm>;
        assert.deepEqual(rawForm(stored), event);
      }),
      { numRuns: 500 },
    );
  });

  it("is stored as it is when it is JSON with JSON metadata, so that it can be read like ours", () => {
    assert.deepEqual(storedForm(raw(JSON_CONTENT, '{"a":[1,"é"]}', '{"by":"x"}')), { data: { a: [1, "é"] }, metadata: { by: "x" } });
  });

  it("keeps its JSON readable when only its metadata is not", () => {
    assert.deepEqual(storedForm(raw(JSON_CONTENT, '{"a":1}')).data, { a: 1 });
  });

  it("that claims to be in an envelope is put into another (F2)", () => {
    const claims = raw(JSON_CONTENT, "{}", '{"$raw":{"contentType":"x","data":"base64","metadata":""}}');
    assert.deepEqual(rawForm(storedForm(claims)), claims);
  });
});
