import { SallyportError } from "@sallyport/proto/errors";
import type {
  Appended,
  ExpectedRevision,
  Ledger,
  NewEvent,
  ReadAllOptions,
  ReadStreamOptions,
  RecordedEvent,
  SubscribeOptions,
  SubscriptionMessage,
} from "../../ledger/ledger.ts";

/**
 * A real ledger behind a bad line: `refuse` loses the request, `lose` loses the answer, `freeze` keeps both until `thaw`.
 * `cutSubscriptions` breaks those that run.
 */
export class UnreliableLedger implements Ledger {
  readonly #real: Ledger;
  line: "good" | "refuse" | "lose" | "freeze" = "good";
  /** Called before each append; awaited. */
  before: ((stream: string, events: readonly NewEvent[]) => void | Promise<void>) | undefined;
  readonly appends: { readonly stream: string; readonly types: readonly string[] }[] = [];
  /** Where each subscription began. */
  readonly subscribedAfter: SubscribeOptions["after"][] = [];
  /** Appends that were not answered yet. */
  inFlight = 0;
  #thawed = Promise.withResolvers<void>();
  #cut = new AbortController();

  constructor(real: Ledger) {
    this.#real = real;
  }

  async append(stream: string, events: readonly NewEvent[], expected: ExpectedRevision): Promise<Appended> {
    this.appends.push({ stream, types: events.map(({ type }) => type) });
    this.inFlight += 1;
    try {
      return await this.#append(stream, events, expected);
    } finally {
      this.inFlight -= 1;
    }
  }

  async #append(stream: string, events: readonly NewEvent[], expected: ExpectedRevision): Promise<Appended> {
    await this.before?.(stream, events);
    if (this.line === "refuse") throw unavailable();
    if (this.line === "freeze") await this.#thawed.promise;
    const appended = await this.#real.append(stream, events, expected);
    if (this.line === "lose") throw unavailable();
    return appended;
  }

  thaw(): void {
    this.line = "good";
    this.#thawed.resolve();
    this.#thawed = Promise.withResolvers();
  }

  cutSubscriptions(): void {
    this.#cut.abort();
    this.#cut = new AbortController();
  }

  readStream(stream: string, options?: ReadStreamOptions): AsyncIterable<RecordedEvent> {
    return this.#real.readStream(stream, options);
  }

  readAll(options?: ReadAllOptions): AsyncIterable<RecordedEvent> {
    return this.#real.readAll(options);
  }

  async *subscribeToAll(options: SubscribeOptions): AsyncIterable<SubscriptionMessage> {
    const cut = this.#cut.signal;
    this.subscribedAfter.push(options.after);
    yield* this.#real.subscribeToAll({ ...options, signal: AbortSignal.any([options.signal, cut]) });
    if (cut.aborted) throw unavailable();
  }

  close(): Promise<void> {
    return this.#real.close();
  }
}

const unavailable = (): SallyportError => new SallyportError("ledger.unavailable", "The line is down.");
