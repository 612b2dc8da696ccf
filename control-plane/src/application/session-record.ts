import { SallyportError } from "@sallyport/proto/errors";
import type { Logger } from "pino";
import { type SessionEvent, sessionStream } from "../domain/session/session.events.ts";
import { eventId } from "../ledger/event-id.ts";
import { type ExpectedRevision, type Ledger, MAX_APPEND_BYTES, type NewEvent } from "../ledger/ledger.ts";
import { newEvent } from "./new-event.ts";
import type { Clock, CommandContext } from "./ports.ts";
import { backOff, type Scheduler } from "./scheduler.ts";

/**
 * The writer of one session's stream. It never reads: it knows the revision, because nobody else writes there.
 *
 * Phases: writing, stalled (the ledger did not take the batch, or has not answered in time; the same batch is tried again),
 * broken (given up, or somebody else wrote into the stream).
 *
 * R1. Events are written in the order of the calls, and those of one call in one append. What waits while an append is under
 *     way goes together into the next one.
 * R2. A call resolves when its events are durable, and not before (I1).
 * R3. Event ids follow from the session and the revision, and a batch keeps its ids and its place until it is answered, so
 *     trying again can neither double nor reorder anything.
 * R4. What is accepted is never taken back. Rejections say in `details.recorded` what became of the events:
 *     `no`: they are not in the record and never will be (refused at the call: stalled, broken, or too much waits);
 *     `unknown`: patience ran out. They keep their place, and will be written if the ledger comes back. The caller must
 *     not act on them, and must append, with patience `keep`, what supersedes them: CommandDenied with the code
 *     `ledger.unavailable` when the command was not sent, CommandCompleted with the outcome `unknown` when it was (a read
 *     that was sent while its event was being written). Both follow them in the record, or are lost along with them.
 *     The same CommandDenied is right after `no`: the decider takes it for a new command and for an authorised one.
 * R5. Everything that waits is bounded: `MAX_QUEUED_EVENTS`, `MAX_QUEUED_BYTES`, `MAX_STALL_MS`.
 * R6. A completion by itself waits for company, at most `COMPLETION_LINGER_MS`: it has happened, nobody acts on it, and the next
 *     command nearly always comes first, so that each command costs one append and waits for one. Everything else goes at once.
 */
export class SessionRecord {
  readonly #deps: SessionRecordDeps;
  readonly #sessionId: string;
  readonly #stream: string;
  #revision: ExpectedRevision = "none";
  #waiting: Group[] = [];
  #waitingEvents = 0;
  #waitingBytes = 0;
  /** Of the waiting groups, those that do not linger. */
  #waitingUrgent = 0;
  #batch: Batch | undefined;
  #stalledSince: number | undefined;
  #broken: SallyportError | undefined;
  /** When the deadlines are looked at next, in milliseconds since the epoch. */
  #deadlineAt = Infinity;
  #cancelDeadline: (() => void) | undefined;
  #cancelLinger: (() => void) | undefined;
  #drained: PromiseWithResolvers<void> | undefined;
  /** The first so many waiting groups were too large together. */
  #alone = 0;

  constructor(deps: SessionRecordDeps, sessionId: string) {
    this.#deps = deps;
    this.#sessionId = sessionId;
    this.#stream = sessionStream(sessionId);
  }

  get stalled(): boolean {
    return this.#stalledSince !== undefined;
  }

  get broken(): boolean {
    return this.#broken !== undefined;
  }

  /**
   * `fail` is for what must be durable before a command may go: it is refused at once while stalled, and after
   * `AUTHORIZATION_PATIENCE_MS` otherwise. `keep` is for what has happened already: it waits for the ledger.
   */
  append(events: readonly SessionEvent[], context: CommandContext, { patience = "keep" }: { readonly patience?: Patience } = {}): Promise<void> {
    if (events.length === 0) return Promise.reject(new Error("Nothing to append."));
    if (this.#broken !== undefined) return this.#refuse(patience, this.#broken.message, this.#broken);
    if (patience === "fail" && this.stalled) return this.#refuse(patience, "The record cannot be written, so nothing may run.");
    const now = this.#deps.clock.now();
    const at = textOf(now);
    let bytes = 0;
    for (const { data } of events) bytes += EVENT_OVERHEAD_BYTES + roughBytes(data);
    if (this.#waitingEvents + events.length > MAX_QUEUED_EVENTS || this.#waitingBytes + bytes > MAX_QUEUED_BYTES) {
      return this.#refuse(patience, "Too much waits to be recorded.");
    }
    return new Promise((resolve, reject) => {
      const lingers = events.every(({ type }) => type === "CommandCompleted");
      const deadline = now.getTime() + AUTHORIZATION_PATIENCE_MS;
      this.#wait([{ events, context, at, bytes, patience, lingers, deadline, answered: false, resolve, reject }], "last");
      this.#watchDeadlines(AUTHORIZATION_PATIENCE_MS);
      if (this.#batch === undefined) this.#next();
    });
  }

  /** Resolves when nothing waits any more, be it written or given up. */
  drained(): Promise<void> {
    if (this.#batch === undefined && this.#waiting.length === 0) return Promise.resolve();
    this.#drained ??= Promise.withResolvers();
    const { promise } = this.#drained;
    if (this.#batch === undefined) this.#next();
    return promise;
  }

  #next(): void {
    if (this.#waiting.length === 0) {
      this.#drained?.resolve();
      this.#drained = undefined;
      return;
    }
    const mayLinger = this.#waitingUrgent === 0 && this.#waitingEvents < MAX_BATCH_EVENTS && this.#drained === undefined;
    if (mayLinger) this.#linger();
    else this.#send();
  }

  /** A timer that runs already is soon enough; one that finds nothing was in vain, once for many commands. */
  #linger(): void {
    this.#cancelLinger ??= this.#deps.scheduler.after(COMPLETION_LINGER_MS, () => {
      this.#cancelLinger = undefined;
      if (this.#batch === undefined && this.#waiting.length > 0) this.#send();
    });
  }

  #send(): void {
    const groups = this.#takeGroups();
    const first = this.#revision === "none" ? 0 : Number(this.#revision) + 1;
    const events: NewEvent[] = [];
    for (const { events: own, context, at } of groups) {
      for (const event of own) events.push(newEvent(eventId(this.#sessionId, first + events.length), event, context, at));
    }
    this.#batch = { groups, events, failures: 0 };
    this.#write(this.#batch);
  }

  #takeGroups(): Group[] {
    let count = 0;
    let events = 0;
    let bytes = 0;
    for (const group of this.#waiting) {
      if (count > 0 && (this.#alone > 0 || events + group.events.length > MAX_BATCH_EVENTS || bytes + group.bytes > MAX_BATCH_BYTES)) break;
      count += 1;
      events += group.events.length;
      bytes += group.bytes;
    }
    if (this.#alone > 0) this.#alone -= 1;
    const taken = this.#waiting.splice(0, count);
    this.#waitingEvents -= events;
    this.#waitingBytes -= bytes;
    for (const { lingers } of taken) if (!lingers) this.#waitingUrgent -= 1;
    return taken;
  }

  #wait(groups: readonly Group[], place: "first" | "last"): void {
    if (place === "first") this.#waiting.unshift(...groups);
    else this.#waiting.push(...groups);
    for (const { events, bytes, lingers } of groups) {
      this.#waitingEvents += events.length;
      this.#waitingBytes += bytes;
      if (!lingers) this.#waitingUrgent += 1;
    }
  }

  #write(batch: Batch): void {
    this.#deps.ledger.append(this.#stream, batch.events, this.#revision).then(
      ({ revision }) => {
        if (this.#broken !== undefined) return;
        this.#revision = revision;
        this.#stalledSince = undefined;
        this.#batch = undefined;
        for (const group of batch.groups) settle(group);
        this.#next();
      },
      (error: unknown) => this.#failed(batch, SallyportError.from(error)),
    );
  }

  #failed(batch: Batch, error: SallyportError): void {
    if (this.#broken !== undefined) return;
    if (error.code === "ledger.unavailable") {
      this.#stall();
      this.#deps.scheduler.after(backOff(batch.failures++, RETRY_FIRST_MS, RETRY_LAST_MS), () => {
        if (this.#broken === undefined) this.#write(batch);
      });
      return;
    }
    if (error.code !== "ledger.too_large") return this.#break(error);
    // Nothing of it was written. Together they were too large, so each goes by itself; alone, it never fits.
    this.#batch = undefined;
    const [only] = batch.groups;
    if (batch.groups.length === 1 && only !== undefined) {
      settle(only, new SallyportError(error.code, error.message, { ...error.details, recorded: "no" }, error));
    } else {
      this.#alone = batch.groups.length;
      this.#wait(batch.groups, "first");
    }
    this.#next();
  }

  #stall(): void {
    if (this.#stalledSince !== undefined) return;
    this.#stalledSince = this.#deps.clock.now().getTime();
    this.#watchDeadlines(MAX_STALL_MS);
    this.#deps.log.warn({ sessionId: this.#sessionId }, "the session's record is stalled");
  }

  /** One timer for the whole record, so that a command costs none while the ledger answers. */
  #watchDeadlines(ms: number): void {
    const at = this.#deps.clock.now().getTime() + ms;
    if (this.#deadlineAt <= at) return;
    this.#cancelDeadline?.();
    this.#deadlineAt = at;
    this.#cancelDeadline = this.#deps.scheduler.after(ms, () => {
      this.#deadlineAt = Infinity;
      this.#checkDeadlines();
    });
  }

  #checkDeadlines(): void {
    if (this.#broken !== undefined) return;
    const now = this.#deps.clock.now().getTime();
    let next = Infinity;
    for (const group of [...(this.#batch?.groups ?? []), ...this.#waiting]) {
      if (group.answered) continue;
      if (group.deadline > now) next = Math.min(next, group.deadline - now);
      else {
        // A ledger that does not answer stalls like one that refuses.
        this.#stall();
        if (group.patience === "fail") {
          this.#deps.refused();
          settle(group, unavailable("The record was not written in time, so nothing may run.", "unknown"));
        }
      }
    }
    if (this.#stalledSince !== undefined) {
      const left = this.#stalledSince + MAX_STALL_MS - now;
      if (left <= 0) return this.#break(unavailable("The record could not be written for too long.", "unknown"));
      next = Math.min(next, left);
    }
    if (next < Infinity) this.#watchDeadlines(next);
  }

  #break(error: SallyportError): void {
    const { log, abandoned } = this.#deps;
    this.#broken = error;
    this.#cancelDeadline?.();
    this.#cancelLinger?.();
    log.error({ err: error, sessionId: this.#sessionId }, "the session's record is broken");
    const groups = [...(this.#batch?.groups ?? []), ...this.#waiting];
    this.#batch = undefined;
    this.#waiting = [];
    this.#waitingEvents = 0;
    this.#waitingBytes = 0;
    this.#waitingUrgent = 0;
    for (const group of groups) {
      if (group.patience === "fail" && !group.answered) this.#deps.refused();
      settle(group, new SallyportError(error.code, error.message, { ...error.details, recorded: "unknown" }, error));
    }
    this.#drained?.resolve();
    this.#drained = undefined;
    abandoned(this.#sessionId);
  }

  #refuse(patience: Patience, message: string, cause?: SallyportError): Promise<never> {
    if (patience === "fail") this.#deps.refused();
    return Promise.reject(unavailable(message, "no", cause));
  }
}

export type Patience = "fail" | "keep";

export interface SessionRecordDeps {
  readonly ledger: Ledger;
  readonly clock: Clock;
  readonly scheduler: Scheduler;
  readonly log: Logger;
  /** A command may not run because its event could not be recorded. */
  readonly refused: () => void;
  /** The record gave up; its session must be ended in the record by somebody else, when the ledger is back. */
  readonly abandoned: (sessionId: string) => void;
}

/** How long a command waits for its event: longer than a disk's hiccup, shorter than people wait before they try again. */
export const AUTHORIZATION_PATIENCE_MS = 2_000;
/** Longer than a client takes from one result to its next command, if it is a program; shorter than anybody notices. */
export const COMPLETION_LINGER_MS = 5;
/** How long a session survives without its record being written. */
export const MAX_STALL_MS = 60_000;
/** Small commands are about 1 KB, so this many fill an append. */
export const MAX_BATCH_EVENTS = 512;
/** Room for what the estimate of a few events may miss. */
const MAX_BATCH_BYTES = MAX_APPEND_BYTES - 128 * 1024;
/** Id, type and metadata, generously: what must not be under-estimated is the sum. */
const EVENT_OVERHEAD_BYTES = 1_024;
/** Of one session, while the ledger is away or slow. A client that pipelines deeper is refused. */
export const MAX_QUEUED_EVENTS = 4_096;
export const MAX_QUEUED_BYTES = 8 * 1024 * 1024;
const RETRY_FIRST_MS = 50;
const RETRY_LAST_MS = 1_000;

interface Group {
  readonly events: readonly SessionEvent[];
  readonly context: CommandContext;
  readonly at: string;
  readonly bytes: number;
  readonly patience: Patience;
  /** R6. */
  readonly lingers: boolean;
  readonly deadline: number;
  answered: boolean;
  readonly resolve: () => void;
  readonly reject: (error: SallyportError) => void;
}

interface Batch {
  readonly groups: readonly Group[];
  readonly events: readonly NewEvent[];
  failures: number;
}

/**
 * Of the texts in it, in their UTF-16 length: what it holds in memory, and about its size as JSON. Should a batch turn out too large
 * because of what that misses, its groups go one by one.
 */
function roughBytes(value: unknown): number {
  if (typeof value === "string") return value.length;
  if (typeof value !== "object" || value === null) return 0;
  let bytes = 0;
  // Not `for … in`: V8 compiles that for the shapes that it has met, and again for each new one, for ever.
  for (const member of Object.values(value)) bytes += roughBytes(member);
  return bytes;
}

/** The last one made: in a busy moment many events are of the same millisecond. */
const lastInstant = { ms: Number.NaN, text: "" };

function textOf(instant: Date): string {
  const ms = instant.getTime();
  if (ms !== lastInstant.ms) {
    lastInstant.ms = ms;
    lastInstant.text = instant.toISOString();
  }
  return lastInstant.text;
}

function settle(group: Group, error?: SallyportError): void {
  if (group.answered) return;
  group.answered = true;
  if (error === undefined) group.resolve();
  else group.reject(error);
}

const unavailable = (message: string, recorded: "no" | "unknown", cause?: unknown): SallyportError =>
  new SallyportError("ledger.unavailable", message, { recorded }, cause);
