import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { describe, it } from "node:test";
import fc from "fast-check";
import { fromBase64, toBase64, utf8 } from "./bytes.ts";
import { canonicalJson } from "./canonical-json.ts";
import { checkpointNote, checkpointOf, parseCheckpointText } from "./checkpoint.ts";
import { leafText } from "./leaf.ts";
import { LineReader } from "./lines.ts";
import { nodePrimitives } from "./node-primitives.ts";
import { isSignedBy, keyId, noteText, parseNote, parseVerifierKey, signatureLine, verifierKey } from "./note.ts";
import { sha256 } from "./sha256.ts";
import { TestingLog, testingEvent, testingSigner } from "./testing-log.ts";

describe("canonical JSON", () => {
  it("writes what RFC 8785, section 3.2, shows", () => {
    const value = JSON.parse(
      String.raw`{"numbers":[333333333.33333329,1E30,4.50,2e-3,0.000000000000000000000000001],"string":"\u20ac$\u000F\u000aA'\u0042\u0022\u005c\\\"\/","literals":[null,true,false]}`,
    ) as unknown;
    assert.equal(
      canonicalJson(value),
      String.raw`{"literals":[null,true,false],"numbers":[333333333.3333333,1e+30,4.5,0.002,1e-27],"string":"€$\u000f\nA'B\"\\\\\"/"}`,
    );
  });

  it("sorts keys by UTF-16 units, as the RFC's own example does", () => {
    const value = { "\u20ac": 1, "\r": 2, "\ufb33": 3, "1": 4, "\u{1f600}": 5, "\u0080": 6, "\u00f6": 7 };
    assert.deepEqual(Object.keys(JSON.parse(canonicalJson(value)) as object).length, 7);
    assert.match(canonicalJson(value), /^\{"\\r":2,"1":4,"\u0080":6,"\u00f6":7,"\u20ac":1,"\ud83d\ude00":5,"\ufb33":3\}$/);
  });

  it("is the same for every order of keys, and parses back to the same value", () => {
    fc.assert(
      fc.property(fc.jsonValue({ stringUnit: "grapheme" }), (value) => {
        const reversed = JSON.parse(JSON.stringify(value), (_key, member: unknown) =>
          typeof member === "object" && member !== null && !Array.isArray(member) ? Object.fromEntries(Object.entries(member).toReversed()) : member,
        ) as unknown;
        assert.equal(canonicalJson(reversed), canonicalJson(value));
        assert.equal(canonicalJson(JSON.parse(canonicalJson(value))), canonicalJson(value));
      }),
    );
  });

  it("sorts many keys as it sorts few", () => {
    fc.assert(
      fc.property(fc.uniqueArray(fc.string({ unit: "grapheme" }), { minLength: 1, maxLength: 60 }), (keys) => {
        const object = Object.fromEntries(keys.map((key) => [key, 0]));
        const own = Object.keys(object).toSorted();
        assert.equal(canonicalJson(object), `{${own.map((key) => `${JSON.stringify(key)}:0`).join(",")}}`);
      }),
    );
  });

  it("refuses what JSON cannot say", () => {
    for (const value of [undefined, Number.NaN, Infinity, 1n, "\ud800", { a: undefined }, { "\udc00": 1 }, [Symbol("x")]]) {
      assert.throws(() => canonicalJson(value), TypeError);
    }
  });

  it("makes the leaf of an event from its six members, the revision as text", () => {
    const event = { stream: "a-1", revision: 2n ** 60n, id: "i", type: "T", metadata: { b: 1, a: 2 }, data: {}, position: 7n };
    assert.equal(leafText(event), '{"data":{},"id":"i","metadata":{"a":2,"b":1},"revision":"1152921504606846976","stream":"a-1","type":"T"}');
  });
});

describe("bytes and lines", () => {
  it("have one base64 for each value, and no other is read", () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 100 }), (bytes) => {
        assert.equal(toBase64(bytes), Buffer.from(bytes).toString("base64"));
        assert.deepEqual(fromBase64(toBase64(bytes)), bytes);
      }),
    );
    for (const text of ["QQ", "QR==", "QQ==\n", "Q Q=", "QQ=", "@@@@"]) assert.equal(fromBase64(text), undefined);
  });

  it("hash in the browser's way to what Node hashes to", () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 300 }), (bytes) => {
        assert.equal(Buffer.from(sha256(bytes)).toString("hex"), createHash("sha256").update(bytes).digest("hex"));
      }),
    );
  });

  it("are cut into the same lines for every way of cutting the stream", async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.array(fc.string().filter((line) => !line.includes("\n"))),
        fc.integer({ min: 1, max: 7 }),
        fc.boolean(),
        async (lines, cut, whole) => {
          const bytes = utf8(`${lines.join("\n")}${whole ? "\n" : ""}`);
          async function* chunks(): AsyncGenerator<Uint8Array> {
            for (let i = 0; i < bytes.length; i += cut) yield bytes.subarray(i, i + cut);
          }
          const reader = new LineReader(chunks(), 1_000);
          const seen: string[] = [];
          for (let line = await reader.next(); line !== undefined; line = reader.buffered() ?? (await reader.next())) seen.push(Buffer.from(line).toString());
          const expected = `${lines.join("\n")}${whole ? "\n" : ""}`.split("\n");
          if (expected.at(-1) === "") expected.pop();
          assert.deepEqual(seen, expected);
          assert.equal(reader.cut, bytes.length > 0 && bytes.at(-1) !== 0x0a);
        },
      ),
    );
  });

  it("stop at a line that is longer than any that is looked for", async () => {
    let given = 0;
    async function* endless(): AsyncGenerator<Uint8Array> {
      for (;;) {
        given++;
        yield new Uint8Array(1_000);
      }
    }
    const reader = new LineReader(endless(), 10_000);
    await reader.next();
    assert.equal(reader.cut, true);
    assert.ok(given < 20);
    assert.equal(await reader.next(), undefined);
  });
});

describe("signed notes", () => {
  // The example of c2sp.org/signed-note and golang.org/x/mod/sumdb/note.
  const peter = "PeterNeumann+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW";
  const signed = noteText("If you think cryptography is the answer to your problem,\nthen you don't know what your problem is.\n", [
    "— PeterNeumann x08go/ZJkuBS9UG/SffcvIAQxVBtiFupLLr8pAcElZInNIuGUgYN1FFYC2pZSNXgKvqfqdngotpRZb6KE6RyyBwJnAM=\n",
  ]);

  it("verify as the specification's own example does, and not with a byte changed", async () => {
    const key = parseVerifierKey(nodePrimitives.sha256, peter);
    const note = parseNote(signed);
    assert.ok(key !== undefined && note !== undefined);
    assert.equal(await isSignedBy(nodePrimitives, note, key), true);
    assert.equal(await isSignedBy(nodePrimitives, { ...note, text: note.text.replace("answer", "Answer") }, key), false);
  });

  it("have keys whose id is of their name and bytes, or they are none", () => {
    const key = parseVerifierKey(nodePrimitives.sha256, peter);
    assert.equal(key?.id, "c74f20a3");
    assert.equal(keyId(nodePrimitives.sha256, "PeterNeumann", key.publicKey), "c74f20a3");
    assert.equal(verifierKey(nodePrimitives.sha256, "PeterNeumann", key.publicKey).text, peter);
    for (const wrong of [peter.replace("c74f20a3", "c74f20a4"), peter.replace("Peter", "Petra"), peter.slice(0, -1), ""]) {
      assert.equal(parseVerifierKey(nodePrimitives.sha256, wrong), undefined);
    }
  });

  it("are read back as they were written, with any number of signatures", async () => {
    const signers = [testingSigner("one.example/log"), testingSigner("two.example/log")];
    const lines = await Promise.all(signers.map(async ({ key, sign }) => signatureLine(key, await sign(utf8("text\n\nmore\n")))));
    const note = parseNote(noteText("text\n\nmore\n", lines));
    assert.equal(note?.text, "text\n\nmore\n");
    for (const { key } of signers) assert.equal(await isSignedBy(nodePrimitives, note, key), true);
    assert.equal(await isSignedBy(nodePrimitives, note, testingSigner("one.example/log").key), false);
  });

  it("carry a checkpoint, whose event holds all that its note holds", async () => {
    const log = new TestingLog();
    log.add(testingEvent(0));
    await log.checkpoint();
    const [data] = log.checkpoints;
    const checkpoint = checkpointOf(nodePrimitives.sha256, data ?? {});
    assert.ok(checkpoint !== undefined);
    const note = parseNote(checkpointNote(checkpoint));
    assert.ok(note !== undefined);
    assert.equal(await isSignedBy(nodePrimitives, note, log.signer.key), true);
    const { origin, treeSize, time, position } = parseCheckpointText(note.text) ?? {};
    assert.deepEqual({ origin, treeSize, time, position }, { origin: log.origin, treeSize: 1, time: data?.time, position: "1" });
    for (const wrong of ["", "x\n", note.text.replace("time ", "Time "), `${note.text}more\n`, note.text.replace("\n1\n", "\n01\n")]) {
      assert.equal(parseCheckpointText(wrong), undefined);
    }
  });
});
