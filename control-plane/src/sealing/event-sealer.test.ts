import assert from "node:assert/strict";
import { mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, it, type TestContext } from "node:test";
import { fileURLToPath } from "node:url";
import { nodePrimitives } from "@sallyport/proto/audit/node-primitives";
import { openSealed, parseSealed } from "@sallyport/proto/audit/sealed";
import { SallyportError } from "@sallyport/proto/errors";
import fc from "fast-check";
import { personalIn, upcast, validate } from "../domain/catalogue.ts";
import { FORGOTTEN_TEXT } from "../domain/classification.ts";
import type { EventMetadata, RecordedEvent } from "../ledger/ledger.ts";
import { EventSealer } from "./event-sealer.ts";
import { membersAt } from "./members.ts";
import { SubjectKeys } from "./subject-keys.ts";

const goldenFolder = new URL("../../../test/fixtures/events/", import.meta.url);
const ID = "6f1c54d0-4f55-5c3c-9d5a-6d0a1f6f0001";

const goldens: readonly RecordedEvent[] = readdirSync(goldenFolder).map((file) => {
  const stored = JSON.parse(readFileSync(new URL(file, goldenFolder), "utf8")) as Pick<RecordedEvent, "stream" | "type" | "data" | "metadata">;
  return { ...stored, id: ID, revision: 0n, position: 1n, recordedAt: new Date(0) };
});
const golden = (type: string): RecordedEvent => {
  const found = goldens.find((each) => each.type === type);
  assert.ok(found);
  return found;
};

function stage(t: TestContext): { readonly keys: SubjectKeys; readonly sealer: EventSealer; stored(event: RecordedEvent): RecordedEvent } {
  const folder = mkdtempSync(join(tmpdir(), "sallyport-sealer-"));
  t.after(() => rmSync(folder, { recursive: true }));
  const keys = new SubjectKeys(join(folder, "subject-keys"));
  const sealer = new EventSealer(keys, personalIn);
  return {
    keys,
    sealer,
    stored: (event) => {
      const stream = sealer.sealStream(event.stream, true);
      return { ...event, ...sealer.seal(stream, event), stream };
    },
  };
}

const isCorrupt = (error: unknown): boolean => error instanceof SallyportError && error.code === "ledger.corrupt";

describe("an event sealer", () => {
  for (const event of goldens) {
    it(`stores no personal value of ${event.type} in the clear, in a shape that its schema allows, and reads it back`, (t) => {
      const { sealer, stored } = stage(t);
      const sealed = stored(event);
      const text = JSON.stringify({ ...sealed, revision: "", position: "" });
      const values = personalIn(event.type).flatMap(({ path }) => membersAt(event.data, path).map(({ value }) => value));
      for (const value of values) assert.ok(!text.includes(JSON.stringify(value)), `${JSON.stringify(value)} in ${text}`);
      if (event.metadata.actor.kind === "human") assert.ok(!text.includes(`"${event.metadata.actor.id}"`));
      validate(upcast(sealed));
      assert.deepEqual(sealer.open(sealed), event);
      assert.deepEqual(stored(event), sealed, "the same event again is stored as the same");
    });
  }

  it("reads what was sealed at any time: the format is data at rest", () => {
    const folder = new URL("../../../test/fixtures/sealed/", import.meta.url);
    const sealer = new EventSealer(new SubjectKeys(fileURLToPath(new URL("subject-keys", folder))), personalIn);
    const files = readdirSync(folder).filter((file) => file.endsWith(".json"));
    assert.ok(files.length >= 3);
    for (const file of files) {
      const stored = JSON.parse(readFileSync(new URL(file, folder), "utf8")) as Pick<RecordedEvent, "stream" | "id" | "type" | "data" | "metadata">;
      const opened = golden(stored.type);
      assert.deepEqual(sealer.open({ ...opened, ...stored }), { ...opened, id: stored.id });
      assert.deepEqual({ ...sealer.seal(stored.stream, { ...opened, id: stored.id }), stream: stored.stream }, { ...opened, ...stored });
    }
  });

  it("reads an event of a release that sealed nothing as it is, and goes on with its stream", (t) => {
    const { sealer, keys } = stage(t);
    const event = golden("IdentityProvisioned");
    assert.deepEqual(sealer.open(event), event);
    assert.equal(sealer.sealStream(event.stream, true), event.stream);
    assert.equal(keys.size, 1);
  });

  it("reads what is under a destroyed key as nobody's, and all else as it was", (t) => {
    const { sealer, keys, stored } = stage(t);
    const [asked, requested] = [stored(golden("ApprovalRequested")), stored(golden("SessionRequested"))];
    const ana = keys.find("ana")?.subject ?? "";
    keys.destroy(ana);
    const approval = sealer.open(asked);
    assert.deepEqual(
      [Reflect.get(approval.data, "requestedBy"), Reflect.get(approval.data, "onBehalfOf"), approval.metadata.actor.id],
      [`forgotten-${ana}`, "eve", `forgotten-${ana}`],
    );
    const session = upcast(sealer.open(requested));
    assert.ok(session.type === "SessionRequested");
    const { identity, clientAddress, application, parameters } = session.data;
    assert.deepEqual([identity.id, clientAddress, application, parameters], [`forgotten-${ana}`, FORGOTTEN_TEXT, FORGOTTEN_TEXT, {}]);
    assert.deepEqual(identity.groups, Reflect.get(Reflect.get(golden("SessionRequested").data, "identity") as object, "groups"));
  });

  it("keeps the identity's stream one stream under its new name", (t) => {
    const { sealer, keys, stored } = stage(t);
    const { stream } = stored(golden("IdentityProvisioned"));
    const ana = keys.find("ana")?.subject ?? "";
    assert.equal(stream, `identity-${ana}`);
    assert.equal(sealer.storedStream("identity-ana"), stream);
    const later = stored(golden("IdentityDisabled"));
    keys.destroy(ana);
    assert.equal(sealer.open(later).stream, `identity-forgotten-${ana}`);
    assert.equal(sealer.storedStream(`identity-forgotten-${ana}`), stream);
    assert.notEqual(sealer.sealStream("identity-ana", true), stream, "somebody new of that name");
  });

  it("makes no new key for what is still under way for somebody who was forgotten, until the name is given anew", (t) => {
    const { sealer, keys, stored } = stage(t);
    stored(golden("IdentityProvisioned"));
    const ana = keys.find("ana")?.subject ?? "";
    keys.destroy(ana);
    const [asked, requested] = [stored(golden("ApprovalRequested")), stored(golden("SessionRequested"))];
    assert.equal(keys.find("ana"), undefined);
    assert.deepEqual([asked.metadata.actor.id, Reflect.get(asked.data, "requestedBy")], [`subject:${ana}`, `forgotten-${ana}`]);
    assert.deepEqual([Reflect.get(requested.data, "application"), Reflect.get(requested.data, "parameters")], [FORGOTTEN_TEXT, {}]);
    assert.equal(sealer.open(asked).metadata.actor.id, `forgotten-${ana}`);
    assert.equal(sealer.sealStream("identity-ana", false), "identity-ana", "which conflicts, since nothing is there");
    assert.equal(keys.find("ana"), undefined);
    stored(golden("IdentityProvisioned"));
    assert.notEqual(keys.find("ana")?.subject, ana);
  });

  it("tells a value that was moved, altered or swapped from one that is forgotten", (t) => {
    const { sealer, stored } = stage(t);
    const given = stored(golden("ApprovalGiven"));
    const { by, comment } = given.data as { readonly by: string; readonly comment: string };
    assert.throws(() => sealer.open({ ...given, id: ID.replace("6f1c", "6f1d") }), isCorrupt);
    assert.throws(() => sealer.open({ ...given, stream: "approval-x" }), isCorrupt);
    assert.throws(() => sealer.open({ ...given, data: { ...given.data, by: comment, comment: by } }), isCorrupt);
    const altered = by.replace(/.(?==*$)/u, (last) => (last === "A" ? "B" : "A"));
    assert.throws(() => sealer.open({ ...given, data: { ...given.data, by: altered } }), isCorrupt);
  });

  it("leaves a text alone that somebody wrote to look like a sealed one", (t) => {
    const { sealer, stored } = stage(t);
    fc.assert(
      fc.property(fc.string({ unit: "grapheme" }), (comment) => {
        const event = golden("ApprovalDenied");
        const typed = { ...event, data: { ...event.data, comment: comment.isWellFormed() ? comment : "" } };
        assert.deepEqual(sealer.open(stored(typed)), typed);
      }),
    );
    const event = golden("ApprovalDenied");
    const copied = { ...event, data: { ...event.data, comment: Reflect.get(stored(event).data, "by") as string } };
    assert.deepEqual(sealer.open(stored(copied)), copied);
  });

  it("hands out keys that open the values of one event and of no other", async (t) => {
    const { sealer, keys, stored } = stage(t);
    const [given, denied] = [stored(golden("ApprovalGiven")), stored(golden("ApprovalDenied"))];
    const [[subject, key] = ["", Buffer.alloc(0)]] = sealer.keysIn(given);
    assert.equal(subject, keys.find(Reflect.get(golden("ApprovalGiven").data, "by") as string)?.subject);
    const open = (event: RecordedEvent, path: string): Promise<unknown> => {
      const sealed = parseSealed(Reflect.get(event.data, path));
      assert.ok(sealed);
      return openSealed(nodePrimitives, key, sealed, { stream: event.stream, id: event.id, path });
    };
    assert.equal(await open(given, "comment"), Reflect.get(golden("ApprovalGiven").data, "comment"));
    assert.equal(await open({ ...denied, id: "6f1c54d0-4f55-5c3c-9d5a-6d0a1f6f0002" }, "comment"), undefined);
    keys.destroy(subject);
    assert.equal(sealer.keysIn(given).size, 0);
  });

  it("leaves actors that are no people, and metadata of others, as they are", (t) => {
    const { sealer } = stage(t);
    const metadata: EventMetadata = { $correlationId: ID, actor: { kind: "system", id: "one" }, schemaVersion: 1, at: "2026-11-22T10:00:00.000Z" };
    const event = { id: ID, type: "NodeStarted", data: { nodeId: "one", version: "1" }, metadata };
    assert.equal(sealer.seal("node-one", event), event);
    const delegate = { ...metadata, actor: { kind: "machine", id: "ci", onBehalfOf: "ana" } } as const;
    const sealed = sealer.seal("node-one", { ...event, metadata: delegate }).metadata;
    assert.match(`${sealed.actor.id} ${sealed.actor.onBehalfOf ?? ""}`, /^subject:[0-9a-f-]{36} subject:[0-9a-f-]{36}$/u);
    assert.deepEqual(sealer.open({ ...event, metadata: sealed, stream: "node-one", revision: 0n, position: 1n, recordedAt: new Date(0) }).metadata, delegate);
  });
});
