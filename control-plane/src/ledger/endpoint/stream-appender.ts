import { randomUUID } from "node:crypto";
import { SallyportError } from "@sallyport/proto/errors";
import { storedForm, type RawEvent, JSON_CONTENT } from "../foreign-event.ts";
import type { Appended, ExpectedRevision, Ledger, NewEvent } from "../ledger.ts";
import { type Expected, RefusalError } from "./refusal.ts";
import { RecentAppends } from "./recent-appends.ts";
import { metastreamOf, NO_RULES, SOFT_DELETED_JSON, type StreamView, viewStream } from "./stream-view.ts";
import { TOMBSTONE_TYPE } from "./wire-values.ts";

export interface ProposedEvent extends RawEvent {
  readonly id: string;
  readonly type: string;
}

/** What an append without a fixed revision does when another writer of the ledger was quicker: it looks again, so often. */
const MAX_ATTEMPTS = 10;

/** Sessions that are open at once, several times over. */
const MAX_PLAIN_STREAMS = 10_000;

/**
 * Writes as the protocol means it, on a ledger that knows revisions only.
 *
 * W1. Writes to one stream happen one after the other, in the order in which they came; streams do not wait for each other.
 * W2. A retry with the same ids and the same expectation is answered with the original position. With `any` that holds for recent
 *     appends of this process only, as a server holds it for those in its cache.
 * W3. A soft-deleted stream goes on with its next revision; what was before stays hidden. A tombstoned one is closed for good.
 * W4. Whoever writes to a stream often pays for a look at its state once: nobody else ends streams of this ledger, or writes metadata.
 */
export class StreamAppender {
  readonly #ledger: Ledger;
  readonly #isOurs: (stream: string) => boolean;
  readonly #recent = new RecentAppends();
  /** Streams that nobody has ended and that have no metadata; those written to last are the last to be forgotten. */
  readonly #plain = new Set<string>();
  /** Counts their beginnings and ends. */
  #hidings = 0;
  /** The last write that was accepted for each stream that has one; no more entries than writes in flight. */
  readonly #tails = new Map<string, Promise<unknown>>();

  constructor(ledger: Ledger, isOurs: (stream: string) => boolean) {
    this.#ledger = ledger;
    this.#isOurs = isOurs;
  }

  append(stream: string, events: readonly ProposedEvent[], expected: Expected): Promise<Appended> {
    if (events.some(({ type }) => type === TOMBSTONE_TYPE)) return Promise.reject(invalid("This type of event is the server's own."));
    // Metadata can hide what is in a stream, which is a deletion by another name.
    if (stream.startsWith("$$") && this.#isOurs(stream.slice(2))) return Promise.reject(untouchable());
    return this.#inTurn(stream, () => this.#append(stream, events.map(stored), expected));
  }

  /** Hides all there is; nothing is erased. */
  delete(stream: string, expected: Expected): Promise<Appended> {
    return this.#ending(stream, async () => {
      await this.#requireAt(stream, expected);
      const deleted = { id: randomUUID(), type: "$metadata", contentType: JSON_CONTENT, data: Buffer.from(SOFT_DELETED_JSON), metadata: Buffer.alloc(0) };
      return this.append(metastreamOf(stream), [deleted], "any");
    });
  }

  /** Closes the stream for good; nothing is erased. */
  tombstone(stream: string, expected: Expected): Promise<Appended> {
    return this.#ending(stream, async () => {
      const view = await this.#requireAt(stream, expected);
      const end = { id: randomUUID(), type: TOMBSTONE_TYPE, ...storedForm({ contentType: JSON_CONTENT, data: Buffer.from("{}"), metadata: Buffer.alloc(0) }) };
      return this.#hiding(stream, () => this.#ledger.append(stream, [end], headOf(view) ?? "none"));
    });
  }

  #ending(stream: string, end: () => Promise<Appended>): Promise<Appended> {
    if (this.#isOurs(stream.replace(/^\$\$/, ""))) return Promise.reject(untouchable());
    return this.#inTurn(stream, end);
  }

  async #append(stream: string, events: readonly NewEvent[], expected: Expected): Promise<Appended> {
    if (stream.startsWith("$$")) return this.#hiding(stream.slice(2), () => this.#appendTo(stream, events, expected));
    return this.#appendTo(stream, events, expected);
  }

  async #appendTo(stream: string, events: readonly NewEvent[], expected: Expected): Promise<Appended> {
    if (this.#plain.has(stream)) {
      if (typeof expected === "bigint") return this.#at(stream, events, expected, expected);
      if (expected === "noStream") return this.#at(stream, events, "none", expected);
    }
    const hidings = this.#hidings;
    const view = await viewStream(this.#ledger, stream);
    if (view.kind === "tombstoned") throw new RefusalError({ kind: "streamDeleted", stream });
    const plain = view.kind === "absent" || (view.kind === "present" && view.rules === NO_RULES);
    if (plain && hidings === this.#hidings) this.#remember(stream);
    if (typeof expected === "bigint") return this.#at(stream, events, expected, expected);
    if (expected === "noStream") {
      if (view.kind === "softDeleted") return this.#revive(stream, events, view.head, expected);
      // Behind what was truncated a retry may find itself; where nothing was, at the very beginning.
      const hidden = view.kind === "present" ? view.rules.truncateBefore : 0n;
      return this.#at(stream, events, hidden === 0n ? "none" : hidden - 1n, expected);
    }
    const known = this.#recent.find(stream, events);
    if (known !== undefined) return known;
    if (expected === "streamExists" && view.kind !== "present") throw wrong(stream, expected, undefined);
    const appended =
      view.kind === "softDeleted" ? await this.#revive(stream, events, view.head, expected) : await this.#anywhere(stream, events, view, expected);
    this.#recent.add(stream, events, appended);
    return appended;
  }

  async #anywhere(stream: string, events: readonly NewEvent[], seen: StreamView, expected: Expected): Promise<Appended> {
    let view = seen;
    for (let attempt = 1; ; attempt++) {
      try {
        return await this.#at(stream, events, headOf(view) ?? "none", expected);
      } catch (error) {
        if (!(error instanceof RefusalError) || attempt === MAX_ATTEMPTS) throw error;
        view = await viewStream(this.#ledger, stream);
      }
    }
  }

  /** The old events are hidden by revision before the new ones come, so a crash in between leaves an empty stream, not an old one. */
  async #revive(stream: string, events: readonly NewEvent[], head: bigint, expected: Expected): Promise<Appended> {
    const hidden = { contentType: JSON_CONTENT, data: Buffer.from(`{"$tb":${head + 1n}}`), metadata: Buffer.alloc(0) };
    await this.append(metastreamOf(stream), [{ id: randomUUID(), type: "$metadata", ...hidden }], "any");
    return this.#at(stream, events, head, expected);
  }

  async #at(stream: string, events: readonly NewEvent[], revision: ExpectedRevision, expected: Expected): Promise<Appended> {
    try {
      return await this.#ledger.append(stream, events, revision);
    } catch (error) {
      if (!(error instanceof SallyportError) || error.code !== "stream.conflict") throw error;
      const actual = error.details["actual"];
      throw wrong(stream, expected, actual === undefined || actual === "none" ? undefined : BigInt(actual));
    }
  }

  async #requireAt(stream: string, expected: Expected): Promise<StreamView> {
    const view = await viewStream(this.#ledger, stream);
    if (view.kind === "tombstoned") throw new RefusalError({ kind: "streamDeleted", stream });
    const current = view.kind === "present" ? view.head : undefined;
    const holds =
      expected === "any" || (expected === "noStream" ? current === undefined : expected === "streamExists" ? current !== undefined : current === expected);
    if (!holds) throw wrong(stream, expected, current);
    return view;
  }

  /** A write after which `stream` is not plain; not taken for plain either by who looks at it meanwhile. */
  async #hiding(stream: string, write: () => Promise<Appended>): Promise<Appended> {
    this.#hidings++;
    try {
      return await write();
    } finally {
      this.#hidings++;
      this.#plain.delete(stream);
    }
  }

  #remember(stream: string): void {
    this.#plain.add(stream);
    if (this.#plain.size <= MAX_PLAIN_STREAMS) return;
    const [oldest] = this.#plain;
    if (oldest !== undefined) this.#plain.delete(oldest);
  }

  #inTurn<Result>(stream: string, run: () => Promise<Result>): Promise<Result> {
    const before = this.#tails.get(stream);
    const result = before === undefined ? run() : before.then(run, run);
    const done = (): void => {
      if (this.#tails.get(stream) === result) this.#tails.delete(stream);
    };
    result.then(done, done);
    this.#tails.set(stream, result);
    return result;
  }
}

function headOf(view: StreamView): bigint | undefined {
  return view.kind === "present" || view.kind === "softDeleted" ? view.head : undefined;
}

const stored = ({ id, type, ...raw }: ProposedEvent): NewEvent => ({ id, type, ...storedForm(raw) });

const wrong = (stream: string, expected: Expected, current: bigint | undefined): RefusalError =>
  new RefusalError({ kind: "wrongExpectedVersion", stream, expected, current });

const invalid = (message: string): SallyportError => new SallyportError("input.invalid", message);

const untouchable = (): SallyportError => new SallyportError("auth.forbidden", "Streams of the record are neither deleted nor cut short.");
