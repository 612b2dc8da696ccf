import { randomBytes } from "node:crypto";
import type { Socket } from "node:net";
import type { DescribeCopy, Obligations, Open, Trace, Traced } from "@sallyport/proto/gen/sallyport/tunnel/v1/tunnel";
import { SallyportError } from "@sallyport/proto/errors";
import type { Channel, CloseReason, ControlBody } from "@sallyport/proto/tunnel/channel";
import { encodeRefusal } from "@sallyport/proto/wire/postgres/refusal";
import type { Logger } from "pino";
import type { ForwardingTally } from "../../attestation/forwarding-tally.ts";
import type { HeldBytes } from "../held-bytes.ts";
import type { TargetSession } from "../target.ts";
import { cancelRequest } from "./cancel.ts";
import { type Catalogue, nothingUnlearnt } from "./catalogue/catalogue.ts";
import type { Unlearnt } from "./catalogue/explore.ts";
import { connectAndLogin, type Timeouts } from "./connect.ts";
import { DescribeReply, describeRequest, type Describing } from "./describe-copy.ts";
import { ConnectionLost, targetFailure } from "./failure.ts";
import type { BackendKey } from "./login.ts";
import { type CopyColumns, readableLayout } from "./relay/copy-layout.ts";
import { PostgresRelay } from "./relay/relay.ts";
import type { ResultColumn } from "./relay/result-columns.ts";
import { MAX_LOOKUPS_PER_RESULT } from "./relay/target-side.ts";
import type { PostgresResource } from "./resource.ts";
import { CommandTimer } from "./command-timer.ts";
import { readOnlyParameters, requireReadOnly } from "./read-only.ts";
import { startupParameters } from "./startup-parameters.ts";
import { traceColumns } from "./trace-columns.ts";
import { windDown } from "./wind-down.ts";

/** What a session accepts from the control plane before it gives the first credit. */
export const CLIENT_WINDOW_BYTES = 1024 * 1024;

/** Questions about columns that are answered at once: the control plane asks one for each command, and one to know it anew. */
const MAX_TRACES_AT_ONCE = 16;

/** Of this session alone, so that hashed values can be joined within it and not beyond. */
const MASK_KEY_BYTES = 32;

export interface PostgresSessionDeps {
  readonly log: Logger;
  readonly timeouts: Timeouts;
  /** Of the resource, as the key of its tokens. */
  readonly catalogue: Catalogue;
  readonly tokenKey: Buffer;
  /** Of the agent. */
  readonly heldBytes: HeldBytes;
}

interface Relaying {
  readonly kind: "relaying";
  readonly socket: Socket;
  readonly relay: PostgresRelay;
  readonly timer: CommandTimer;
  readonly cancel: () => Promise<void>;
  /** A wish to cancel that comes while a request is under way is served after it; more of them are the same wish. */
  cancelling: "no" | "once" | "again";
  /** Bytes that the socket took beyond what it wanted; given back to the control plane when it has drained. */
  unconsumed: number;
  /** The channel takes no more for now. */
  full: boolean;
  /** The relay waits for the catalogue, and the target for the relay. */
  learning: boolean;
  /** What came while the catalogue or the target was asked, in order: at most one window of data, as none of it is given back meanwhile. */
  held: (() => void)[] | undefined;
  /** Questions about columns that are being answered. */
  tracing: number;
  describing: Describing | undefined;
}

type Phase = { readonly kind: "connecting"; readonly abort: AbortController } | Relaying | { readonly kind: "closed" };

/**
 * One session on a PostgreSQL server: connecting → relaying → closed.
 *
 * Q1. The channel learns of the end once: `Opened` may come before it, nothing after it.
 * Q2. The target is read no faster than the channel takes it, and credit is given no faster than the target takes what it pays for.
 *     A session that stalls stops its own socket only.
 * Q3. What the relay has to know of the catalogue is looked up while the target waits; when it cannot be, the session ends.
 * Q4. The end of a session is the end of its backend: what still runs is cancelled, and the connection is cut within a bound.
 */
export class PostgresSession implements TargetSession {
  readonly #resource: PostgresResource;
  readonly #deps: PostgresSessionDeps;
  readonly #log: Logger;
  readonly #channel: Channel;
  readonly #tally: ForwardingTally;
  readonly #held: ReturnType<HeldBytes["open"]>;
  /** Sent while the channel took no more. */
  #queuedBytes = 0;
  #phase: Phase;

  constructor(resource: PostgresResource, deps: PostgresSessionDeps, open: Open, channel: Channel, tally: ForwardingTally) {
    this.#resource = resource;
    this.#deps = deps;
    this.#log = deps.log.child({ session: open.sessionId });
    this.#channel = channel;
    this.#tally = tally;
    this.#held = deps.heldBytes.open();
    const abort = new AbortController();
    this.#phase = { kind: "connecting", abort };
    this.#connect(open, abort.signal).catch((error: unknown) => this.#fail(targetFailure(error, resource.name)));
  }

  data(bytes: Buffer): void {
    const phase = this.#phase;
    if (phase.kind === "connecting") return this.#fail(new SallyportError("tunnel.violation", "Data came before the session was open."));
    if (phase.kind === "closed") return;
    const kept = phase.held === undefined ? bytes : Buffer.from(bytes);
    this.#inOrder(phase, () => {
      this.#tally.forward(kept);
      phase.relay.fromClient(kept);
      if (phase.socket.writableNeedDrain) phase.unconsumed += kept.length;
      else this.#channel.consumed(kept.length);
    });
  }

  control(body: ControlBody): void {
    const phase = this.#phase;
    if (phase.kind !== "relaying") return;
    if (body.$case === "cancel") this.#cancel(phase);
    if (body.$case === "obligations") this.#inOrder(phase, () => this.#oblige(phase, body.value));
    if (body.$case === "resultLineage") this.#inOrder(phase, () => phase.relay.expectResults(body.value));
    if (body.$case === "trace") this.#trace(phase, body.value);
    if (body.$case === "describeCopy") this.#inOrder(phase, () => this.#describeCopy(phase, body.value));
  }

  /** Not in order with anything: the catalogue is asked on a connection of its own. */
  #trace(phase: Relaying, trace: Trace): void {
    const answered = phase.tracing < MAX_TRACES_AT_ONCE ? traceColumns(trace, this.#deps.catalogue) : Promise.resolve({ id: trace.id, columns: [] });
    phase.tracing++;
    const answer = (value: Traced): void => {
      phase.tracing--;
      if (this.#phase === phase && trace.id !== 0) this.#attempt(() => this.#channel.post({ $case: "traced", value }));
    };
    answered.then(answer, () => answer({ id: trace.id, columns: [] }));
  }

  drained(): void {
    if (this.#phase.kind !== "relaying") return;
    this.#phase.full = false;
    this.#queuedBytes = 0;
    this.#held.hold("queue", 0);
    this.#read(this.#phase);
  }

  closed(reason: CloseReason): void {
    this.#log.info({ code: reason.code }, "session closed by the control plane");
    this.#release();
  }

  async #connect(open: Open, signal: AbortSignal): Promise<void> {
    const obligations = open.obligations ?? { maskColumns: [], detectors: [], rowCap: 0n };
    const asked = startupParameters(this.#resource, open.parameters);
    const readOnly = obligations.readOnly === true;
    const parameters = readOnly ? readOnlyParameters(asked) : asked;
    const { socket, transport, greeting, backendKey } = await connectAndLogin(this.#resource, parameters, this.#deps.timeouts, signal);
    if (this.#phase.kind !== "connecting") return void socket.destroy();
    try {
      if (readOnly) requireReadOnly(greeting, this.#resource.name);
      this.#relay(socket, backendKey, obligations);
    } catch (error) {
      socket.destroy();
      throw error;
    }
    this.#channel.post({ $case: "opened", value: { greeting, transport, credit: CLIENT_WINDOW_BYTES, traces: true, listsRowFunctions: true } });
    this.#log.info({ transport }, "session open on the target");
  }

  #relay(socket: Socket, backendKey: BackendKey | undefined, obligations: Obligations): void {
    const { catalogue } = this.#deps;
    catalogue.heed(obligations.maskColumns.map(({ table }) => table));
    const relay = new PostgresRelay({
      obligations,
      readOnly: obligations.readOnly === true,
      catalogue,
      maskKeys: { hash: randomBytes(MASK_KEY_BYTES), token: this.#deps.tokenKey },
      toTarget: (bytes) => void socket.write(bytes),
      toClient: (bytes) => {
        if (this.#phase.kind !== "relaying" || this.#channel.send(bytes)) return;
        this.#phase.full = true;
        socket.pause();
        this.#queuedBytes += bytes.length;
        this.#held.hold("queue", this.#queuedBytes);
      },
      learn: (unlearnt) => {
        if (this.#phase.kind === "relaying") this.#learn(this.#phase, unlearnt);
      },
      hold: this.#held.hold,
      definitionsChanged: () => catalogue.invalidate(),
      executes: () => {
        this.#tally.command();
        timer.started();
      },
      prepares: () => timer.started(),
      // Nothing else is under way: what the client does until its next message is its own time.
      answered: () => {
        if (!relay.busy()) timer.ended(false);
      },
      report: (report) => {
        if (!relay.inQuery) timer.ended(relay.busy());
        if (this.#phase.kind === "relaying") this.#channel.post({ $case: "report", value: report });
      },
      ready: () => timer.ended(relay.busy()),
    });
    const timer = new CommandTimer({
      stop: (millis) => this.#stop(phase, millis),
      giveUp: (millis) => this.#fail(tookTooLong(millis)),
      unread: () => socket.isPaused(),
    });
    timer.limit(obligations.timeoutMillis ?? 0);
    // The address that this connection has, for a name may lead elsewhere next time.
    const address = socket.remoteAddress;
    const cancel = async (): Promise<void> => {
      if (backendKey === undefined) return;
      await cancelRequest(this.#resource, backendKey, this.#deps.timeouts, address).catch((error: unknown) =>
        this.#log.warn({ err: error }, "cancel request failed"),
      );
    };
    const phase: Relaying = {
      kind: "relaying",
      socket,
      relay,
      timer,
      cancel,
      cancelling: "no",
      unconsumed: 0,
      full: false,
      learning: false,
      held: undefined,
      tracing: 0,
      describing: undefined,
    };
    this.#phase = phase;

    socket.on("data", (chunk: Buffer) => {
      if (this.#phase !== phase) return;
      const { describing } = phase;
      this.#attempt(() => (describing?.reply === undefined ? relay.fromTarget(chunk) : this.#described(phase, describing, describing.reply, chunk)));
    });
    socket.on("drain", () => {
      if (this.#phase === phase && phase.unconsumed > 0) this.#channel.consumed(phase.unconsumed);
      phase.unconsumed = 0;
    });
    socket.on("end", () => this.#ended(phase));
    socket.on("close", () => this.#fail(targetFailure(socket.errored ?? new ConnectionLost("the target closed the connection"), this.#resource.name)));
  }

  /** The target has said all that it had to say. */
  #ended(phase: Relaying): void {
    if (this.#phase !== phase) return;
    if (atWork(phase)) return this.#fail(targetFailure(new ConnectionLost("the target closed the connection"), this.#resource.name));
    this.#channel.close({ code: "", message: "" });
    this.#release();
  }

  #cancel(phase: Relaying): void {
    if (phase.describing !== undefined) phase.describing.cancelled = true;
    if (phase.cancelling !== "no") {
      phase.cancelling = "again";
      return;
    }
    phase.cancelling = "once";
    void phase.cancel().then(() => {
      const again = phase.cancelling === "again";
      phase.cancelling = "no";
      if (again && this.#phase === phase) this.#cancel(phase);
    });
  }

  /** What the client sends next waits until the server has had the request, which would otherwise meet its next command. */
  #stop(phase: Relaying, millis: number): void {
    phase.relay.stopping(encodeRefusal(tookTooLong(millis), "ERROR", "Narrow it down. The connection is usable."));
    if (phase.describing !== undefined) return this.#cancel(phase);
    phase.held ??= [];
    void phase.cancel().then(() => this.#attempt(() => this.#resume(phase)));
  }

  #oblige(phase: Relaying, obligations: Obligations): void {
    phase.timer.limit(obligations.timeoutMillis ?? 0);
    this.#deps.catalogue.heed(obligations.maskColumns.map(({ table }) => table));
    phase.relay.setObligations(obligations);
  }

  #learn(phase: Relaying, unlearnt: Unlearnt): void {
    phase.learning = true;
    phase.socket.pause();
    this.#whenLearnt(phase, unlearnt, () => {
      phase.learning = false;
      phase.relay.learnt();
      this.#read(phase);
    });
  }

  #read({ socket, full, learning }: Relaying): void {
    if (!full && !learning) socket.resume();
  }

  #whenLearnt(phase: Relaying, unlearnt: Unlearnt, step: () => void): void {
    this.#deps.catalogue.learn(unlearnt).then(
      () => {
        if (this.#phase === phase) this.#attempt(step);
      },
      (error: unknown) => this.#fail(targetFailure(error, this.#resource.name)),
    );
  }

  /**
   * Asks on the session's own connection, while the client's bytes wait; only between commands, so that no answer can be mistaken. It may
   * wait for a lock, so it has the time of a command. Being cancelled ends the question, and then the COPY that it was for.
   */
  #describeCopy(phase: Relaying, copy: DescribeCopy): void {
    if (phase.relay.busy()) return;
    phase.held = [];
    const layout = copy.layout === undefined ? undefined : readableLayout(copy.layout);
    phase.describing = { reply: new DescribeReply(), layout, withoutGenerated: copy.withoutGenerated === true, cancelled: false, refusal: undefined };
    phase.socket.write(describeRequest(copy));
    phase.timer.started();
  }

  #described(phase: Relaying, describing: Describing, reply: DescribeReply, chunk: Buffer): void {
    const { columns, forClient, refusal } = reply.push(chunk);
    if (forClient.length > 0) phase.relay.fromTarget(forClient);
    if (columns === undefined) return;
    phase.timer.ended(false);
    describing.reply = undefined;
    describing.refusal = refusal;
    if (columns === "unknown") this.#expectCopy(phase, "unknown");
    else this.#traceCopy(phase, columns, 0);
  }

  #traceCopy(phase: Relaying, columns: readonly ResultColumn[], lookups: number): void {
    const unlearnt = nothingUnlearnt();
    const lineages = phase.relay.lineagesOf(columns, unlearnt);
    if (unlearnt.relations.size + unlearnt.names.size === 0) {
      const traced = columns.map((column, index) => ({ column, lineage: lineages[index] })).filter(({ column }) => !this.#leftOut(phase, column));
      const named = traced.map(({ column: { label, typeOid }, lineage }) => ({ label, typeOid, lineage }));
      return this.#expectCopy(phase, named);
    }
    if (lookups === MAX_LOOKUPS_PER_RESULT) return this.#expectCopy(phase, "unknown");
    this.#whenLearnt(phase, unlearnt, () => this.#traceCopy(phase, columns, lookups + 1));
  }

  /** What the session's own transaction made of a table nobody else sees: then too many columns are left, and all are masked. */
  #leftOut({ describing, relay }: Relaying, { tableOid, attribute }: ResultColumn): boolean {
    return describing?.withoutGenerated === true && !relay.unsettled && this.#deps.catalogue.isGenerated(tableOid, attribute);
  }

  #expectCopy(phase: Relaying, columns: CopyColumns): void {
    const { describing } = phase;
    phase.describing = undefined;
    phase.relay.expectCopyColumns(columns, describing?.layout, describing?.refusal);
    this.#resume(phase);
    // One that was refused is over at once: the request would meet the client's next command.
    if (describing?.cancelled === true && describing.refusal === undefined && this.#phase === phase) this.#cancel(phase);
  }

  #resume(phase: Relaying): void {
    const steps = phase.held ?? [];
    phase.held = undefined;
    // Each in turn by the same way in, for a step may hold the rest back again, or end the session.
    for (const step of steps) if (this.#phase === phase) this.#inOrder(phase, step);
  }

  #inOrder(phase: Relaying, step: () => void): void {
    if (phase.held === undefined) this.#attempt(step);
    else phase.held.push(step);
  }

  #attempt(step: () => void): void {
    try {
      step();
    } catch (error) {
      this.#fail(SallyportError.from(error));
    }
  }

  #fail(failure: SallyportError): void {
    if (this.#phase.kind === "closed") return;
    this.#log[failure.code === "internal" ? "error" : "warn"]({ err: failure, code: failure.code }, "session failed");
    this.#channel.close({ code: failure.code, message: failure.message });
    this.#release();
  }

  #release(): void {
    const phase = this.#phase;
    if (phase.kind === "closed") return;
    this.#phase = { kind: "closed" };
    this.#held.close();
    if (phase.kind === "relaying") phase.timer.ended(false);
    this.#tally.end();
    if (phase.kind === "connecting") phase.abort.abort();
    if (phase.kind === "relaying") void windDown(phase.socket, this.#deps.timeouts.closeTimeoutMs, atWork(phase), phase.cancel);
  }
}

/** Whether something runs at the target, for the client or for us. */
const atWork = ({ relay, describing }: Relaying): boolean => relay.busy() || describing !== undefined;

const tookTooLong = (millis: number): SallyportError =>
  new SallyportError("command.timeout", `Stopped by policy: a command may run for ${millis % 1_000 === 0 ? `${millis / 1_000} s` : `${millis} ms`}.`);
