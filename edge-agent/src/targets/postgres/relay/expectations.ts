import { SallyportError } from "@sallyport/proto/errors";
import { backend, frontend } from "@sallyport/proto/wire/postgres/message-types";

/**
 * What the target still owes an answer to. `describe` is one of `statement` and `portal` that nobody looked into, `injected` one of
 * ours; `copyEnd` is owed nothing, and matters only to a COPY IN before it.
 */
export type Expected = "parse" | "bind" | "close" | "describe" | "statement" | "portal" | "injected" | "execute" | "sync" | "query" | "function" | "copyEnd";

/** Answers outstanding at once. Drivers send batches of some hundreds; beyond this the client never reads. */
export const MAX_EXPECTED_REPLIES = 1_000_000;
/** Answered requests are forgotten in strides, as moving an array costs. */
const FORGET_AT = 1024;

const SENT: ReadonlyMap<number, Expected> = new Map([
  [frontend.parse, "parse"],
  [frontend.bind, "bind"],
  [frontend.close, "close"],
  [frontend.describe, "describe"],
  [frontend.execute, "execute"],
  [frontend.sync, "sync"],
  [frontend.query, "query"],
  [frontend.functionCall, "function"],
  [frontend.copyDone, "copyEnd"],
  [frontend.copyFail, "copyEnd"],
]);

/**
 * Pairs what the client sent with what the target answers, in order, so that each row is known to belong to a described portal.
 *
 * X1. After an error in the extended protocol, everything up to the next Sync is owed nothing: neither what was sent, nor what will be.
 * X2. During COPY IN the target ignores Sync. Those sent before the COPY was known are taken back, unless its end was sent before them.
 * X3. An answer that nothing in the queue is owed fails when `strict`: rows of an unknown shape must not pass. Otherwise the count is
 *     lost until the next ReadyForQuery.
 */
export class Expectations {
  strict = false;
  #queue: Expected[] = [];
  #head = 0;
  #skipping = false;
  #copyIn = false;
  #lost = false;

  /** Nothing is owed. */
  get idle(): boolean {
    return this.#peek() === undefined && !this.#copyIn && !this.#lost;
  }

  /** What is owed next is a result, so that a row may come. */
  get delivering(): boolean {
    const head = this.#queue[this.#head];
    return head === "query" || head === "execute";
  }

  /** A simple query is being answered: all up to ReadyForQuery belongs to it. */
  get inQuery(): boolean {
    return this.#peek() === "query";
  }

  /** A Parse is being answered, which evaluates nothing. */
  get parsing(): boolean {
    return this.#peek() === "parse";
  }

  get skipping(): boolean {
    return this.#skipping;
  }

  /** A frontend message. */
  sent(type: number): void {
    const expected = SENT.get(type);
    if (expected !== undefined) this.expect(expected);
  }

  expect(expected: Expected): void {
    if (this.#lost || (this.#skipping && expected !== "sync")) return;
    if (this.#copyIn) {
      if (expected === "copyEnd") this.#copyIn = false;
      else if (expected !== "sync") this.#unexpected("the client sent a command in the middle of COPY IN");
      return;
    }
    if (this.#queue.length - this.#head >= MAX_EXPECTED_REPLIES) return this.#unexpected("too many requests were sent before any answer");
    this.#skipping = false;
    this.#queue.push(expected);
  }

  /** The request that the answer belongs to, after which the queue stands at the next one when that was the last answer. */
  received(type: number): Expected | undefined {
    if (this.#lost) {
      if (type === backend.readyForQuery) this.#lost = false;
      return undefined;
    }
    const head = this.#peek();
    switch (type) {
      case backend.parseComplete:
        return this.#pop("parse");
      case backend.bindComplete:
        return this.#pop("bind");
      case backend.closeComplete:
        return this.#pop("close");
      case backend.parameterDescription:
        return this.#require("statement", "describe");
      case backend.rowDescription:
        return head === "query" ? head : this.#pop("describe", "statement", "portal", "injected");
      case backend.noData:
        return this.#pop("describe", "statement", "portal", "injected");
      case backend.copyOutResponse:
      case backend.copyData:
      case backend.copyDone:
        return this.#require("query", "execute");
      case backend.copyInResponse:
        return this.#beginCopyIn();
      case backend.functionCallResponse:
        return this.#require("function");
      case backend.commandComplete:
      case backend.emptyQueryResponse:
        this.#copyIn = false;
        return head === "query" ? head : this.#pop("execute");
      case backend.portalSuspended:
        return this.#pop("execute");
      case backend.errorResponse:
        return this.#failed();
      case backend.readyForQuery:
        return this.#ready();
      default:
        return head;
    }
  }

  #beginCopyIn(): Expected | undefined {
    const head = this.#require("query", "execute");
    if (head === undefined) return undefined;
    const end = this.#queue.indexOf("copyEnd", this.#head);
    const before = this.#queue.slice(this.#head, end < 0 ? undefined : end).filter((expected) => expected !== "sync");
    this.#queue = end < 0 ? before : [...before, ...this.#queue.slice(end + 1)];
    this.#head = 0;
    this.#copyIn = end < 0;
    return head;
  }

  #failed(): Expected | undefined {
    this.#copyIn = false;
    const head = this.#peek();
    // Errors come unasked, too (a shutdown of the server), and those of a Query or a Sync are followed by its ReadyForQuery.
    if (head === undefined || head === "query" || head === "function" || head === "sync") return head;
    const sync = this.#queue.indexOf("sync", this.#head);
    this.#skipping = sync < 0;
    this.#head = sync < 0 ? this.#queue.length : sync;
    return head;
  }

  #ready(): Expected | undefined {
    if (this.#skipping && this.#peek() === undefined) {
      // The Sync went out during COPY IN, and reached the target after its error.
      this.#skipping = false;
      return undefined;
    }
    return this.#pop("sync", "query", "function");
  }

  #pop(...allowed: readonly Expected[]): Expected | undefined {
    const head = this.#require(...allowed);
    if (head === undefined) return undefined;
    this.#head++;
    if (this.#head === this.#queue.length || this.#head >= FORGET_AT) {
      this.#queue.splice(0, this.#head);
      this.#head = 0;
    }
    return head;
  }

  #require(...allowed: readonly Expected[]): Expected | undefined {
    const head = this.#peek();
    if (head !== undefined && allowed.includes(head)) return head;
    this.#unexpected("the target sent an answer that nothing asked for");
    return undefined;
  }

  #unexpected(what: string): void {
    if (this.strict) throw new SallyportError("wire.malformed", `Masking lost track of the conversation: ${what}.`);
    this.#lost = true;
    this.#skipping = false;
    this.#copyIn = false;
    this.#queue = [];
    this.#head = 0;
  }

  #peek(): Expected | undefined {
    while (this.#queue[this.#head] === "copyEnd") this.#head++;
    return this.#queue[this.#head];
  }
}
