import assert from "node:assert/strict";
import { randomUUID } from "node:crypto";
import { after, before, describe, it } from "node:test";
import fc from "fast-check";
import { SallyportError } from "@sallyport/proto/errors";
import {
  type Appended,
  type ExpectedRevision,
  type Ledger,
  MAX_APPEND_BYTES,
  type NewEvent,
  type RecordedEvent,
} from "../../control-plane/src/ledger/ledger.ts";
import { category, collect, newEvent, newEvents } from "./ledger-probe.ts";
import { subscriptionContract } from "./ledger-subscription.contract.ts";

export interface OpenedLedger {
  readonly ledger: Ledger;
  readonly close: () => Promise<void>;
}

/** What every adapter must keep (L1 to L5 of ledger.ts). The store may be shared and full of other events: each test looks at streams of its own. */
export function ledgerContract(adapter: string, open: () => Promise<OpenedLedger>): void {
  describe(`${adapter} keeps the ledger contract:`, () => {
    let opened: OpenedLedger;
    let ledger: Ledger;
    before(async () => {
      opened = await open();
      ledger = opened.ledger;
    });
    after(() => opened.close());

    const refuses = (code: string, act: () => Promise<unknown>): Promise<void> =>
      assert.rejects(act, (error) => error instanceof SallyportError && error.code === code);
    const append = (stream: string, events: readonly NewEvent[], expected: ExpectedRevision) => ledger.append(stream, events, expected);
    const ids = async (stream: string): Promise<string[]> => (await collect(ledger.readStream(stream))).map(({ id }) => id);

    describe("append", () => {
      it("stores what was given, and numbers it from 0", async () => {
        const stream = `${category()}-1`;
        const events = newEvents(2);
        const { revision, position } = await append(stream, events, "none");
        assert.equal(revision, 1n);
        const stored = await collect(ledger.readStream(stream));
        assert.deepEqual(
          stored.map(({ id, type, data, metadata }) => ({ id, type, data, metadata })),
          events,
        );
        assert.deepEqual(
          stored.map((event) => [event.stream, event.revision]),
          [
            [stream, 0n],
            [stream, 1n],
          ],
        );
        assert.equal(stored[1]?.position, position);
        assert.ok((stored[0]?.position ?? 0n) < position);
        assert.ok(stored.every(({ recordedAt }) => Math.abs(recordedAt.getTime() - Date.now()) < 60_000));
      });

      it("refuses an expected revision that is behind, ahead, or of a stream that is not there", async () => {
        const stream = `${category()}-1`;
        await refuses("stream.conflict", () => append(stream, newEvents(1), 0n));
        await append(stream, newEvents(3), "none");
        for (const expected of ["none", 0n, 1n, 3n, 2n ** 53n, 2n ** 62n] as const)
          await refuses("stream.conflict", () => append(stream, newEvents(1), expected));
        assert.equal((await append(stream, newEvents(1), 2n)).revision, 3n);
      });

      it("answers a retry with the original position, also when others appended since", async () => {
        const stream = `${category()}-1`;
        const [first, second] = [newEvents(2), newEvents(2)];
        const original = [await append(stream, first, "none"), await append(stream, second, 1n)];
        await append(stream, newEvents(1), 3n);
        assert.deepEqual(await append(stream, first, "none"), original[0]);
        assert.deepEqual(await append(stream, second, 1n), original[1]);
        assert.equal((await ids(stream)).length, 5);
      });

      it("takes two identical appends at once for one", async () => {
        const stream = `${category()}-1`;
        const events = newEvents(2);
        const [one, two] = await Promise.all([append(stream, events, "none"), append(stream, events, "none")]);
        assert.deepEqual(one, two);
        assert.deepEqual(
          await ids(stream),
          events.map(({ id }) => id),
        );
      });

      it("refuses a retry that is longer, reordered or elsewhere", async () => {
        const stream = `${category()}-1`;
        const [a, b, c] = newEvents(3) as [NewEvent, NewEvent, NewEvent];
        await append(stream, [a, b], "none");
        await refuses("stream.conflict", () => append(stream, [a, b, c], "none"));
        await refuses("stream.conflict", () => append(stream, [b, a], "none"));
        await refuses("stream.conflict", () => append(stream, [a], 0n));
        assert.deepEqual(await ids(stream), [a.id, b.id]);
      });

      it("takes the id in either case and gives it back in lower case", async () => {
        const stream = `${category()}-1`;
        const event = newEvent();
        const shouted = { ...event, id: event.id.toUpperCase() };
        const first = await append(stream, [shouted], "none");
        assert.deepEqual(await append(stream, [event], "none"), first);
        assert.deepEqual(await ids(stream), [event.id]);
      });

      it("fails alone: a conflict among many appends leaves the others alone", async () => {
        const streams = Array.from({ length: 20 }, () => `${category()}-1`);
        const settled = await Promise.allSettled(streams.map((stream, i) => append(stream, newEvents(2), i % 2 === 0 ? "none" : 7n)));
        assert.deepEqual(
          settled.map(({ status }) => status),
          streams.map((_, i) => (i % 2 === 0 ? "fulfilled" : "rejected")),
        );
        const lengths = await Promise.all(streams.map(async (stream) => (await ids(stream)).length));
        assert.deepEqual(
          lengths,
          streams.map((_, i) => (i % 2 === 0 ? 2 : 0)),
        );
      });

      it("lets exactly one of many that expect the same revision win", async () => {
        const stream = `${category()}-1`;
        const rivals = Array.from({ length: 30 }, () => newEvents(1));
        const settled = await Promise.allSettled(rivals.map((events) => append(stream, events, "none")));
        const won = settled.flatMap(({ status }, i) => (status === "fulfilled" ? [rivals[i]?.[0]?.id] : []));
        assert.equal(won.length, 1);
        assert.deepEqual(await ids(stream), won);
      });

      it("keeps any JSON exactly", async () => {
        const json = fc.dictionary(fc.string({ unit: "grapheme" }), fc.jsonValue({ stringUnit: "grapheme" }));
        await fc.assert(
          fc.asyncProperty(json, async (data) => {
            const stream = `${category()}-1`;
            const given = JSON.parse(JSON.stringify(data)) as object; // -0 and prototypes are not JSON
            await append(stream, [{ ...newEvent(), data: given }], "none");
            assert.deepEqual((await collect(ledger.readStream(stream)))[0]?.data, given);
          }),
          { numRuns: 50 },
        );
      });

      it("refuses an empty append, an id that is no UUID, and what is not JSON", async () => {
        const stream = `${category()}-1`;
        const cyclic: Record<string, unknown> = {};
        cyclic["self"] = cyclic;
        const bad = [
          { a: "\ud800" },
          { "\udc00": 1 },
          { deep: [{ x: "a\ud800b" }] },
          { a: undefined },
          { a: 1n },
          { a: Number.NaN },
          { a: new Date() },
          { a: [undefined] },
          cyclic,
        ];
        await refuses("input.invalid", () => append(stream, [], "none"));
        for (const data of bad) await refuses("input.invalid", () => append(stream, [{ ...newEvent(), data }], "none"));
        for (const id of ["", "x", `${randomUUID()}0`, randomUUID().replace("-", "")])
          await refuses("input.invalid", () => append(stream, [{ ...newEvent(), id }], "none"));
        for (const type of ["", "a\ud800", "a\0b"]) await refuses("input.invalid", () => append(stream, [{ ...newEvent(), type }], "none"));
        for (const badStream of ["", "a\ud800", "a\0b"]) await refuses("input.invalid", () => append(badStream, newEvents(1), "none"));
        await refuses("input.invalid", () => append(stream, newEvents(1), -1n));
        assert.deepEqual(await ids(stream), []);
      });

      it("takes text that merely looks like an escaped surrogate", async () => {
        const stream = `${category()}-1`;
        const data = { a: "\\ud800", b: "\\\\udfff", c: "😀", d: "\u0000\u2028" };
        await append(stream, [{ ...newEvent(), data }], "none");
        assert.deepEqual((await collect(ledger.readStream(stream)))[0]?.data, data);
      });

      it("takes an append just under the bound and refuses one over it, all events counted together", async () => {
        const stream = `${category()}-1`;
        const padded = (bytes: number): NewEvent => ({ ...newEvent(), data: { text: "x".repeat(bytes) } });
        await refuses("ledger.too_large", () => append(stream, [padded(MAX_APPEND_BYTES)], "none"));
        await refuses("ledger.too_large", () => append(stream, [padded(MAX_APPEND_BYTES / 2), padded(MAX_APPEND_BYTES / 2)], "none"));
        await refuses("ledger.too_large", () => append(stream, [{ ...newEvent(), data: { text: "é".repeat(MAX_APPEND_BYTES / 2) } }], "none"));
        await append(stream, [padded(MAX_APPEND_BYTES - 8_192)], "none");
        assert.equal((await ids(stream)).length, 1);
      });
    });

    describe("readStream", () => {
      it("yields nothing for an unknown stream", async () => {
        assert.deepEqual(await collect(ledger.readStream(`${category()}-1`)), []);
        assert.deepEqual(await collect(ledger.readStream(`${category()}-1`, { direction: "backwards" })), []);
      });

      it("yields the same slice as an array would, for every direction, start and limit", async () => {
        const stream = `${category()}-1`;
        const events = newEvents(40);
        await append(stream, events, "none");
        const options = fc.record(
          { direction: fc.constantFrom("forwards" as const, "backwards" as const), from: fc.bigInt({ min: 0n, max: 45n }), limit: fc.nat(45) },
          { requiredKeys: [] },
        );
        await fc.assert(
          fc.asyncProperty(options, async ({ direction, from, limit }) => {
            const chosen = { ...(direction && { direction }), ...(from !== undefined && { from }), ...(limit !== undefined && { limit }) };
            const read = await collect(ledger.readStream(stream, chosen));
            const forwards = events.map(({ id }) => id);
            const expected =
              direction === "backwards"
                ? forwards.slice(0, from === undefined ? undefined : Number(from) + 1).toReversed()
                : forwards.slice(Number(from ?? 0n));
            assert.deepEqual(
              read.map(({ id }) => id),
              expected.slice(0, limit),
            );
          }),
          { numRuns: 60 },
        );
      });

      it("pages through a stream of thousands of events and of large ones, without a gap", async () => {
        const stream = `${category()}-1`;
        const large = newEvents(4).map((event) => ({ ...event, data: { text: "x".repeat(600_000) } }));
        const small = Array.from({ length: 4 }, () => newEvents(500));
        let revision: ExpectedRevision = "none";
        for (const events of [...small, ...large.map((event) => [event])]) ({ revision } = await append(stream, events, revision));
        const expected = [...small.flat(), ...large].map(({ id }) => id);
        assert.deepEqual(await ids(stream), expected);
        assert.deepEqual(
          (await collect(ledger.readStream(stream, { direction: "backwards" }))).map(({ id }) => id),
          expected.toReversed(),
        );
      });

      it("refuses a negative start and a limit that is none", async () => {
        await refuses("input.invalid", () => collect(ledger.readStream("x-1", { from: -1n })));
        await refuses("input.invalid", () => collect(ledger.readStream("x-1", { limit: -1 })));
        await refuses("input.invalid", () => collect(ledger.readAll({ limit: 0.5 })));
      });
    });

    describe("readAll", () => {
      it("reads backwards exactly what it reads forwards, in the order of positions", async () => {
        const prefix = category();
        for (let i = 0; i < 30; i++) await append(`${prefix}-${i}`, newEvents(1 + (i % 3)), "none");
        const filter = { by: "stream", prefixes: [`${prefix}-`] } as const;
        const forwards = await collect(ledger.readAll({ filter }));
        assert.equal(forwards.length, 60);
        assert.ok(forwards.every((event, i) => i === 0 || event.position > (forwards[i - 1] as RecordedEvent).position));
        assert.deepEqual((await collect(ledger.readAll({ filter, direction: "backwards" }))).toReversed(), forwards);
        const everything = (await collect(ledger.readAll())).filter(({ stream }) => stream.startsWith(prefix));
        assert.deepEqual(everything, forwards);
      });

      it("starts at a position, that one included, and stops at the limit", async () => {
        const prefix = category();
        for (let i = 0; i < 10; i++) await append(`${prefix}-${i}`, newEvents(1), "none");
        const filter = { by: "stream", prefixes: [prefix] } as const;
        const all = await collect(ledger.readAll({ filter }));
        const from = (all[4] as RecordedEvent).position;
        assert.deepEqual(await collect(ledger.readAll({ filter, from })), all.slice(4));
        assert.deepEqual(await collect(ledger.readAll({ filter, from, limit: 2 })), all.slice(4, 6));
        assert.deepEqual(await collect(ledger.readAll({ filter, from, direction: "backwards", limit: 3 })), all.slice(2, 5).toReversed());
        assert.deepEqual(await collect(ledger.readAll({ filter, limit: 0 })), []);
      });

      it("filters by stream name or event type, on any of the prefixes and on nothing but prefixes", async () => {
        const mark = category();
        const typed = (type: string): NewEvent[] => [{ ...newEvent(), type }];
        await append(`${mark}a-1`, typed(`${mark}Opened`), "none");
        await append(`${mark}b-1`, typed(`${mark}Closed`), "none");
        await append(`${mark}c-${mark}a-`, typed(`${mark}Éa😀b`), "none");
        await append(`x${mark}a-1`, typed(`x${mark}Opened`), "none");
        const streams = async (prefixes: string[]): Promise<string[]> =>
          (await collect(ledger.readAll({ filter: { by: "stream", prefixes } }))).map(({ stream }) => stream);
        const types = async (prefixes: string[]): Promise<string[]> =>
          (await collect(ledger.readAll({ filter: { by: "type", prefixes } }))).map(({ type }) => type);
        assert.deepEqual(await streams([`${mark}a-`]), [`${mark}a-1`]);
        assert.deepEqual(await streams([`${mark}b-`, `${mark}a-`]), [`${mark}a-1`, `${mark}b-1`]);
        assert.deepEqual(await types([`${mark}O`, `${mark}C`]), [`${mark}Opened`, `${mark}Closed`]);
        assert.deepEqual(await types([`${mark}Éa😀`]), [`${mark}Éa😀b`]);
        assert.deepEqual(await types([`${mark}%`, `${mark}*`, `${mark}_`]), []);
      });

      it("refuses a filter that would match everything or nothing", async () => {
        await refuses("input.invalid", () => collect(ledger.readAll({ filter: { by: "stream", prefixes: [] } })));
        await refuses("input.invalid", () => collect(ledger.readAll({ filter: { by: "stream", prefixes: [""] } })));
      });
    });

    subscriptionContract(() => ledger);

    it("agrees with a model under random interleavings of appends, conflicts and retries", async () => {
      const step = fc.record({ stream: fc.nat(2), size: fc.integer({ min: 1, max: 3 }), drift: fc.constantFrom(0, 0, 0, -1, 1), retry: fc.boolean() });
      await fc.assert(
        fc.asyncProperty(fc.array(fc.array(step, { minLength: 1, maxLength: 6 }), { maxLength: 8 }), async (rounds) => {
          const prefix = category();
          const model = new Map<string, string[]>();
          let retryable: { readonly stream: string; readonly events: readonly NewEvent[]; readonly expected: ExpectedRevision } | undefined;
          for (const round of rounds) {
            const attempts = round.map(({ stream, size, drift, retry }) => {
              if (retry && retryable !== undefined) return retryable;
              const name = `${prefix}-${stream}`;
              const wanted = (model.get(name)?.length ?? 0) - 1 + drift;
              return { stream: name, events: newEvents(size), expected: wanted < 0 ? ("none" as const) : BigInt(wanted) };
            });
            const heads = new Map(Array.from(model, ([stream, known]) => [stream, known.length - 1]));
            const settled = await Promise.allSettled(attempts.map(({ stream, events, expected }) => append(stream, events, expected)));
            const outcomes = attempts.map((attempt, i) => ({ ...attempt, outcome: settled[i] as PromiseSettledResult<Appended> }));
            const accepted = outcomes.flatMap(({ outcome, ...attempt }) => (outcome.status === "fulfilled" ? [{ ...attempt, ...outcome.value }] : []));
            for (const { stream, events, expected, revision } of accepted.toSorted((a, b) => Number(a.position - b.position))) {
              const known = model.get(stream) ?? [];
              const at = revisionAfter(expected);
              assert.equal(revision, BigInt(at + events.length - 1));
              if (known.length === at) model.set(stream, [...known, ...events.map(({ id }) => id)]);
              else
                assert.deepEqual(
                  known.slice(at, at + events.length),
                  events.map(({ id }) => id),
                  "only a retry may succeed behind the head",
                );
              retryable = { stream, events, expected };
            }
            for (const { stream, expected, outcome } of outcomes) {
              if (outcome.status === "fulfilled") continue;
              assert.ok(outcome.reason instanceof SallyportError && outcome.reason.code === "stream.conflict");
              const unmoved = (heads.get(stream) ?? -1) === (model.get(stream)?.length ?? 0) - 1;
              assert.ok(
                !unmoved || revisionAfter(expected) !== (model.get(stream)?.length ?? 0),
                "a conflict needs a wrong revision, or somebody who was first",
              );
            }
          }
          for (const [stream, known] of model) assert.deepEqual(await ids(stream), known);
        }),
        { numRuns: 40 },
      );
    });
  });
}

const revisionAfter = (expected: ExpectedRevision): number => (expected === "none" ? 0 : Number(expected) + 1);
