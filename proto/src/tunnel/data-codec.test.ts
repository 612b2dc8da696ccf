import assert from "node:assert/strict";
import { describe, it } from "node:test";
import fc from "fast-check";
import { SallyportError } from "../errors.ts";
import { DataRequest, DataResponse, type Frame } from "../gen/sallyport/tunnel/v1/tunnel.ts";
import { decodeFrames, encodeBody, encodeFrames, type OutBody } from "./data-codec.ts";
import { MAX_CONTROL_BYTES, MAX_DATA_BYTES, MAX_MESSAGE_BYTES } from "./limits.ts";

type Body = NonNullable<Frame["body"]>;

const record = <T>(shape: { [K in keyof T]: fc.Arbitrary<T[K]> }): fc.Arbitrary<T> => fc.record(shape, { noNullPrototype: true });
const text = fc.string({ maxLength: 12, unit: "binary" }).filter((s) => s.isWellFormed());
const uint32 = fc.oneof(fc.integer({ min: 0, max: 300 }), fc.integer({ min: 0, max: 0xffff_ffff }));
const uint64 = fc.bigInt({ min: 0n, max: (1n << 64n) - 1n });
const bytes = fc.uint8Array({ maxLength: 300 }).map((b) => Buffer.from(b));
const optional = <T>(value: fc.Arbitrary<T>): fc.Arbitrary<T | undefined> => fc.option(value, { nil: undefined });
const map = fc.dictionary(
  text.filter((key) => key !== "__proto__"),
  text,
  { maxKeys: 3, noNullPrototype: true },
);
const obligations = record({
  maskColumns: fc.array(record({ column: text, table: text, kind: text }), { maxLength: 2 }),
  detectors: fc.array(text),
  rowCap: uint64,
  byteCap: optional(uint64),
  timeoutMillis: optional(uint32),
  readOnly: optional(fc.boolean()),
  showComputed: optional(fc.boolean()),
});

const sources = fc.array(record({ table: text, column: text }), { maxLength: 2 });

const resultColumn = record({ plain: fc.boolean(), sources, opaque: fc.boolean() });

const tracedColumn = record({ shows: sources, madeOf: sources, opaque: fc.boolean(), absent: fc.boolean() });

const preview = record({
  statement: text,
  parameters: fc.array(record({ typeOid: uint32, binary: fc.boolean(), value: optional(bytes) }), { maxLength: 2 }),
  dryRun: fc.boolean(),
  steps: fc.array(record({ number: uint32, statement: text, change: fc.boolean() }), { maxLength: 2 }),
  assigned: optional(record({ columns: fc.array(record({ name: text, value: optional(resultColumn) }), { maxLength: 2 }) })),
});
const rows = fc.array(record({ cells: fc.array(record({ text: optional(text) })) }), { maxLength: 2 });

const layout = record({ format: text, delimiter: text, quote: text, escape: text, nullText: text, header: fc.boolean() });

const body: fc.Arbitrary<Body> = fc.oneof(
  record({ $case: fc.constant("data" as const), value: bytes }),
  record({ $case: fc.constant("credit" as const), value: uint32 }),
  record({
    $case: fc.constant("open" as const),
    value: record({ resource: text, sessionId: text, parameters: map, obligations: optional(obligations), credit: uint32, preview: optional(preview) }),
  }),
  record({
    $case: fc.constant("opened" as const),
    value: record({ greeting: bytes, transport: text, credit: uint32, traces: optional(fc.boolean()), listsRowFunctions: optional(fc.boolean()) }),
  }),
  record({ $case: fc.constant("obligations" as const), value: obligations }),
  record({
    $case: fc.constant("report" as const),
    value: record({
      rows: uint64,
      bytes: uint64,
      masked: fc.array(record({ column: text, cells: uint64 })),
      digest: bytes,
      withheldRows: uint64,
      limit: optional(text),
    }),
  }),
  record({ $case: fc.constant("describeCopy" as const), value: record({ query: text, layout: optional(layout), withoutGenerated: optional(fc.boolean()) }) }),
  record({
    $case: fc.constant("resultLineage" as const),
    value: record({
      columns: fc.array(resultColumn, { maxLength: 2 }),
      computed: optional(resultColumn),
      originsIncomplete: fc.boolean(),
      changesDefinitions: fc.boolean(),
      evaluatesNothing: optional(fc.boolean()),
    }),
  }),
  record({
    $case: fc.constant("previewed" as const),
    value: record({
      plan: text,
      dryRun: optional(record({ rows: uint64, columns: fc.array(text), before: rows, after: rows, notes: fc.array(text) })),
      steps: fc.array(record({ number: uint32, plan: text, rows: optional(uint64), failure: text }), { maxLength: 2 }),
    }),
  }),
  record({
    $case: fc.constant("trace" as const),
    value: record({
      id: uint32,
      columns: sources,
      maskedTables: fc.array(text, { maxLength: 2 }),
      userSchemas: optional(fc.boolean()),
      rowFunctions: optional(fc.boolean()),
    }),
  }),
  record({
    $case: fc.constant("traced" as const),
    value: record({
      id: uint32,
      columns: fc.array(tracedColumn, { maxLength: 2 }),
      userSchemas: optional(record({ names: fc.array(text, { maxLength: 2 }) })),
      rowFunctions: optional(record({ names: fc.array(text, { maxLength: 2 }) })),
    }),
  }),
  record({ $case: fc.constant("cancel" as const), value: fc.constant({}) }),
  record({ $case: fc.constant("close" as const), value: record({ code: text, message: text }) }),
);
const frames = fc.array(record({ session: uint32, body }), { maxLength: 5 });

const outgoing = (value: Body): OutBody => {
  if (value.$case === "data") return { $case: "data", value: [value.value.subarray(0, 3), value.value.subarray(3)] };
  return value.$case === "credit" ? value : encodeBody(value);
};

const isMalformed = (error: unknown): boolean => error instanceof SallyportError && error.code === "wire.malformed";

describe("the data stream's codec", () => {
  it("writes the same bytes as ts-proto's encoder", () => {
    fc.assert(
      fc.property(frames, (sent) => {
        const ours = encodeFrames(sent.map((frame) => ({ session: frame.session, body: outgoing(frame.body) })));
        assert.deepEqual(ours, Buffer.from(DataRequest.encode({ frames: sent }).finish()));
        assert.deepEqual(DataResponse.decode(ours).frames, sent);
      }),
    );
  });

  it("reads what ts-proto's encoder wrote", () => {
    fc.assert(fc.property(frames, (sent) => assert.deepEqual(decodeFrames(Buffer.from(DataResponse.encode({ frames: sent }).finish())), sent)));
  });

  it("answers data as slices of the message, not as copies", () => {
    const message = encodeFrames([{ session: 7, body: { $case: "data", value: [Buffer.alloc(1000, 1)] } }]);
    const [frame] = decodeFrames(message);
    assert.ok(frame?.body.$case === "data");
    assert.equal(frame.body.value.buffer, message.buffer);
  });

  it("throws nothing but wire.malformed on random bytes", () => {
    const noise = fc.uint8Array({ maxLength: 200 }).map((b) => Buffer.from(b));
    const framed = noise.map((b) => Buffer.concat([Buffer.from([0x0a, b.length & 0x7f]), b]));
    const broken = fc.tuple(frames, fc.nat(), fc.integer({ min: 0, max: 255 })).map(([sent, at, value]) => {
      const whole = Buffer.from(DataRequest.encode({ frames: sent }).finish());
      if (whole.length > 0) whole[at % whole.length] = value;
      return whole;
    });
    fc.assert(
      fc.property(fc.oneof(noise, framed, broken), (message) => {
        try {
          decodeFrames(message);
        } catch (error) {
          assert.ok(isMalformed(error), String(error));
        }
      }),
      { numRuns: 2_000 },
    );
  });

  it("refuses every message that was cut off inside a frame", () => {
    const whole = encodeFrames([{ session: 300, body: { $case: "data", value: [Buffer.from("hello")] } }]);
    for (let cut = 1; cut < whole.length; cut++) assert.throws(() => decodeFrames(whole.subarray(0, cut)), isMalformed, `cut at ${cut}`);
  });

  it("refuses a length field of 1 GiB without allocating for it", () => {
    assert.throws(() => decodeFrames(Buffer.from([0x0a, 0x80, 0x80, 0x80, 0x80, 0x04])), isMalformed);
    assert.throws(() => decodeFrames(Buffer.from([0x0a, 0x06, 0x12, 0x80, 0x80, 0x80, 0x80, 0x04])), isMalformed);
  });

  it("refuses frames, and messages, past their bounds", () => {
    const data = (size: number) => encodeFrames([{ session: 1, body: { $case: "data", value: [Buffer.alloc(size)] } }]);
    assert.equal(decodeFrames(data(MAX_DATA_BYTES)).length, 1);
    assert.throws(() => decodeFrames(data(MAX_DATA_BYTES + 1)), isMalformed);
    assert.throws(() => decodeFrames(Buffer.alloc(MAX_MESSAGE_BYTES + 1)), isMalformed);
    const close = { $case: "close", value: { code: "", message: "x".repeat(MAX_CONTROL_BYTES) } } as const;
    assert.throws(
      () => encodeBody(close),
      (error) => error instanceof SallyportError && error.code === "wire.too_large",
    );
    assert.throws(() => decodeFrames(Buffer.from(DataRequest.encode({ frames: [{ session: 1, body: close }] }).finish())), isMalformed);
  });

  it("refuses a frame whose body this version does not know", () => {
    assert.throws(() => decodeFrames(Buffer.from([0x0a, 0x04, 0x08, 0x01, 0x78, 0x01])), isMalformed);
    assert.throws(() => decodeFrames(Buffer.from([0x0a, 0x02, 0x08, 0x01])), isMalformed);
  });
});
