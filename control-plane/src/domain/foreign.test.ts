import assert from "node:assert/strict";
import { readdirSync, readFileSync } from "node:fs";
import { describe, it } from "node:test";
import type { StoredEvent } from "./catalogue.ts";
import { whyForeign } from "./foreign.ts";

const folder = new URL("../../../test/fixtures/events/", import.meta.url);
const stored = (file: string): StoredEvent => ({ ...(JSON.parse(readFileSync(new URL(file, folder), "utf8")) as StoredEvent), revision: 0n });
const provisioned = stored("IdentityProvisioned.v1.json");
const codeOf = (change: object): string | undefined => whyForeign({ ...provisioned, ...change })?.code;

describe("what is foreign in the record", () => {
  it("is nothing that any release wrote", () => {
    for (const file of readdirSync(folder)) assert.equal(whyForeign(stored(file)), undefined, file);
  });

  it("is what does not say who caused it, when, and in which version", () => {
    const { metadata } = provisioned;
    assert.equal(codeOf({ metadata }), undefined);
    for (const wrong of [
      undefined,
      null,
      {},
      [],
      { $raw: { contentType: "application/json", data: "json", metadata: "" } },
      { ...metadata, actor: undefined },
      { ...metadata, actor: { kind: "god", id: "root" } },
      { ...metadata, actor: { kind: "human", id: 7 } },
      { ...metadata, at: "yesterday" },
      { ...metadata, at: "2026-13-45T00:00:00.000Z" },
      { ...metadata, schemaVersion: 0 },
      { ...metadata, schemaVersion: "1" },
      { ...metadata, $correlationId: undefined },
    ])
      assert.equal(codeOf({ metadata: wrong }), "foreign.metadata", JSON.stringify(wrong));
  });

  it("is what stands in the wrong stream, or has other fields than its type", () => {
    assert.equal(codeOf({ stream: "policy-main" }), "foreign.category");
    assert.equal(codeOf({ stream: "orders-1" }), "foreign.stream");
    assert.equal(codeOf({ data: {} }), "foreign.data");
    assert.equal(codeOf({ data: { ...provisioned.data, more: 1 } }), "foreign.data");
    // Its upcaster meets nothing that it knows.
    const { metadata } = provisioned;
    assert.equal(whyForeign({ ...stored("ApprovalRequested.v1.json"), data: {}, metadata })?.code, "foreign.data");
  });

  it("is not what a later release may have written: whoever reads that must fail", () => {
    assert.equal(codeOf({ type: "IdentitySuspended" }), undefined);
    assert.equal(codeOf({ metadata: { ...provisioned.metadata, schemaVersion: 99 }, data: {} }), undefined);
  });
});
