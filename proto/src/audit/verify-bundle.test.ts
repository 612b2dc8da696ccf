import assert from "node:assert/strict";
import { describe, it } from "node:test";
import fc from "fast-check";
import { toBase64, utf8 } from "./bytes.ts";
import type { BundleScope } from "./bundle-format.ts";
import { CHECKPOINT_TYPE } from "./checkpoint.ts";
import { CompactRange, treeHasher } from "./merkle.ts";
import { nodePrimitives } from "./node-primitives.ts";
import { LogVerifier } from "./log-verifier.ts";
import { leafBytes } from "./leaf.ts";
import type { VerifierKey } from "./note.ts";
import { sealedEvent, TestingLog, testingEvent, testingSigner } from "./testing-log.ts";
import type { Finding, Verdict } from "./verdict.ts";
import { verifyBundle } from "./verify-bundle.ts";
import { type StoredLeaf, verifyLedger } from "./verify-ledger.ts";

async function verify(text: string, keys: readonly VerifierKey[] = [], chunk = 997): Promise<Verdict> {
  const bytes = utf8(text);
  async function* chunks(): AsyncGenerator<Uint8Array> {
    for (let at = 0; at < bytes.length; at += chunk) yield bytes.subarray(at, at + chunk);
  }
  return verifyBundle(nodePrimitives, chunks(), { keys });
}

async function makeLog(rounds = 4, perRound = 9): Promise<TestingLog> {
  const log = new TestingLog();
  for (let round = 0; round < rounds; round++) {
    for (let i = 0; i < perRound; i++) log.add(testingEvent(round * perRound + i));
    if (round === 2) await log.rotate();
    await log.checkpoint();
  }
  return log;
}

function addSealed(log: TestingLog, n: number, comment?: unknown): string {
  const { event, keys } = sealedEvent(n, comment);
  log.add(event);
  log.keys.set(event.id, keys);
  return event.id;
}

const finding = (verdict: Verdict): Finding => {
  if (verdict.kind !== "tampered") assert.fail("It was found to be in order.");
  return verdict.finding;
};

describe("verifying a bundle", () => {
  it("proves every range and every selection, with either key of the log, however the bytes come", async () => {
    const log = await makeLog();
    const size = log.checkpoints.at(-1)?.treeSize ?? 0;
    await fc.assert(
      fc.asyncProperty(
        fc.integer({ min: 0, max: size - 1 }),
        fc.integer({ min: 1, max: size }),
        fc.integer({ min: 1, max: 5_000 }),
        async (from, length, chunk) => {
          const to = Math.min(size, from + length);
          const verdict = await verify(await log.bundle({ kind: "range" }, from, to), [log.signer.key], chunk);
          assert.equal(verdict.kind === "verified" ? verdict.events : JSON.stringify(verdict), to - from);
        },
      ),
      { numRuns: 60 },
    );
    const scope: BundleScope = { kind: "session", value: testingEvent(3).stream };
    const verdict = await verify(await log.bundle(scope), [log.signer.key]);
    assert.equal(verdict.kind === "verified" ? verdict.events : 0, log.events.filter(({ stream }) => stream === scope.value).length);
  });

  it("finds every single flipped bit of a small one, in its line", async () => {
    const log = await makeLog(2, 2);
    addSealed(log, 0);
    await log.checkpoint();
    for (const scope of [{ kind: "range" }, { kind: "session", value: "session-" }, { kind: "identity", value: "approval-" }] as const) {
      const bytes = utf8(await log.bundle(scope));
      let line = 1;
      for (let at = 0; at < bytes.length; at++) {
        const flipped = bytes.slice();
        flipped[at] = (flipped[at] as number) ^ (1 << (at % 8));
        const verdict = await verifyBundle(nodePrimitives, once(flipped), { keys: [log.signer.key] });
        assert.equal(finding(verdict).line, line, `byte ${at}`);
        if (bytes[at] === 0x0a) line++;
      }
    }
  });

  it("opens what it has keys for, and takes no key that was altered, added or left out", async () => {
    const log = await makeLog(1, 3);
    addSealed(log, 0);
    addSealed(log, 1, { user: "bo", database: "orders" });
    log.keys.delete(addSealed(log, 2));
    await log.checkpoint();
    for (const scope of [{ kind: "range" }, { kind: "identity", value: "approval-" }] as const) {
      const text = await log.bundle(scope);
      const verdict = await verify(text, [log.signer.key]);
      assert.equal(verdict.kind === "verified" ? verdict.opened : JSON.stringify(verdict), 4);
      const lines = text.split("\n");
      const [first = 0, second = 0] = lines.flatMap((line, at) => (line.includes(',"keys":') ? [at] : []));
      const keys = (at: number): string => /,"keys":\{[^}]*\}/u.exec(lines[at] ?? "")?.[0] ?? "";
      const withKeys = (at: number, text_: string): string => lines.with(at, (lines[at] ?? "").replace(keys(at), text_)).join("\n");
      const wrong = finding(await verify(withKeys(second, keys(first))));
      assert.deepEqual([wrong.code, wrong.line], ["key.wrong", second + 1]);
      assert.equal(finding(await verify(withKeys(second, ""))).code, "bundle.altered");
      const unsealed = lines.findIndex((line, at) => at >= 2 && !line.includes(',"keys":') && line.includes('"type":"ApprovalGiven"'));
      const added = lines.with(unsealed, (lines[unsealed] ?? "").replace(',"event":', `${keys(first)},"event":`)).join("\n");
      assert.deepEqual([finding(await verify(added)).code, finding(await verify(added)).line], ["key.wrong", unsealed + 1]);
    }
  });

  it("says that an event was altered, not its key, when that is what it was", async () => {
    const log = await makeLog(1, 3);
    addSealed(log, 0);
    await log.checkpoint();
    const text = await log.bundle();
    const altered = text.replace(/("by":"sealed:1:[^:]*:)(....)/u, (_all, before: string, nonce: string) => before + (nonce === "AAAA" ? "BBBB" : "AAAA"));
    assert.equal(finding(await verify(altered)).code, "event.altered");
  });

  it("does not fall for a text that somebody typed to look sealed", async () => {
    const log = await makeLog(1, 3);
    const { event } = sealedEvent(0);
    const copied = sealedEvent(1, Reflect.get(event.data, "comment"));
    log.add(copied.event);
    log.keys.set(copied.event.id, copied.keys);
    await log.checkpoint();
    const verdict = await verify(await log.bundle());
    assert.equal(verdict.kind === "verified" ? verdict.opened : JSON.stringify(verdict), 2);
  });

  it("believes no key but the one that it was given, or one that handed over to it or took over from it", async () => {
    const log = await makeLog();
    const text = await log.bundle();
    assert.deepEqual(finding(await verify(text, [testingSigner(log.origin).key])).code, "key.replaced");
    const verdict = await verify(text);
    assert.equal(verdict.kind === "verified" && verdict.pinned, false);
    assert.equal(verdict.kind === "verified" ? verdict.keys.length : 0, 2);
  });

  it("refuses what is no bundle, or is empty", async () => {
    for (const text of ["", "\n", "{}\n", "not a bundle", '{"format":"sallyport-bundle/1"}\n'])
      assert.equal(finding(await verify(text)).code, "bundle.malformed");
  });

  it("refuses a first line with values that no export can write", async () => {
    const log = await makeLog();
    const text = await log.bundle();
    const first = text.indexOf("\n");
    const header = text.slice(0, first);
    const odd = {
      "half a surrogate pair": header.replace('"exportedAt":"', '"exportedAt":"\\ud800'),
      "a number out of range": header.replace('"schemas":{', '"schemas":{"A":1e999,'),
      "too many brackets": header.replace('"schemas":{', `"schemas":{"A":${"[".repeat(500)}${"]".repeat(500)},`),
      "a rotation that is null": header.replace('"rotations":[', '"rotations":[null,'),
    };
    for (const [name, line] of Object.entries(odd)) {
      assert.notEqual(line, header, name);
      assert.deepEqual(
        [name, finding(await verify(line + text.slice(first))).code, finding(await verify(line + text.slice(first))).line],
        [name, "bundle.malformed", 1],
      );
    }
  });

  it("refuses a first line that never ends, in bounded memory", async () => {
    async function* endless(): AsyncGenerator<Uint8Array> {
      for (;;) yield new Uint8Array(1 << 20).fill(0x20);
    }
    assert.equal(finding(await verifyBundle(nodePrimitives, endless(), { keys: [] })).code, "bundle.malformed");
  });
});

describe("verifying a ledger", () => {
  const leaves = (log: TestingLog): Parameters<typeof verifyLedger>[1] =>
    log.events.map((event, i) => ({ kind: "event" as const, position: String(i + 1), event }));

  it("passes over the store's own streams, and counts what no checkpoint covers yet", async () => {
    const log = await makeLog();
    log.add(testingEvent(1_000));
    const own = { kind: "event" as const, position: "0", event: { ...testingEvent(0), stream: "$metadata" } };
    const verdict = await verifyLedger(nodePrimitives, [own, ...(leaves(log) as Iterable<never>)], { keys: [], witness: log.witness });
    assert.deepEqual(verdict.kind === "verified" ? [verdict.events, verdict.unsigned, verdict.witnessed] : verdict, [log.events.length, 1, 4]);
  });

  it("says that nothing vouches for a ledger without a checkpoint", async () => {
    const log = new TestingLog();
    log.add(testingEvent(0));
    assert.equal(finding(await verifyLedger(nodePrimitives, leaves(log), { keys: [] })).code, "checkpoint.forged");
  });

  it("finds another history that the log's own key has signed, when a witness knows the first one", async () => {
    const log = await makeLog(1);
    const [record] = log.witness;
    const other = await makeLog(1);
    const verdict = await verifyLedger(nodePrimitives, leaves(other), { keys: [], witness: record === undefined ? [] : [record] });
    // Another key, hence another note, over the same events: its event is not the one that the witness was told of.
    assert.equal(finding(verdict).code, "event.altered");
    assert.equal(finding(verdict).index, 9);
  });

  it("names the checkpoint that is passed off as a removed event, not the one after it", async () => {
    const log = await makeLog();
    const stored = [...(leaves(log) as Iterable<StoredLeaf>)];
    const index = stored.findIndex((leaf) => leaf.kind === "event" && leaf.event.type === CHECKPOINT_TYPE);
    const leaf = log.leaves[index] ?? assert.fail("No checkpoint.");
    stored[index] = { kind: "removed", position: String(index + 1), stream: "session-removed", revision: 0, leaf };
    const found = finding(await verifyLedger(nodePrimitives, stored, { keys: [], witness: log.witness }));
    assert.deepEqual([found.code, found.index], ["event.missing", index]);
  });

  it("does not keep more leaves than its window, however long no checkpoint comes", () => {
    const hasher = treeHasher(nodePrimitives.sha256);
    const verifier = new LogVerifier(nodePrimitives, { keys: [] }, new CompactRange(hasher), undefined, 100);
    const leaf = hasher.leaf(leafBytes(testingEvent(0)));
    const plain = new CompactRange(hasher);
    for (let i = 0; i < 1_000; i++) {
      verifier.leaf(leaf);
      plain.append(leaf);
    }
    assert.equal(toBase64(verifier.root()), toBase64(plain.root()));
  });
});

async function* once(bytes: Uint8Array): AsyncGenerator<Uint8Array> {
  yield bytes;
}
