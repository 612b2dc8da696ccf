import { randomUUID } from "node:crypto";
import { gunzipSync } from "node:zlib";
import { SallyportError } from "@sallyport/proto/errors";
import type { ApprovalRequest, Approvals, ApprovalState, ApprovalView } from "../../control-plane/src/application/approval-ports.ts";
import type { RecordingEvent } from "../../control-plane/src/domain/session/recording.events.ts";
import type { SessionEvent } from "../../control-plane/src/domain/session/session.events.ts";
import type { SessionWriter } from "../../control-plane/src/gateway/postgres/command-authorizer.ts";
import type { RecordingWriter } from "../../control-plane/src/gateway/postgres/recording/recording-writer.ts";

/** Something that tests wait for the state of. */
export class Watched {
  #wake = Promise.withResolvers<void>();

  changed(): void {
    this.#wake.resolve();
    this.#wake = Promise.withResolvers();
  }

  async until(met: () => boolean): Promise<void> {
    while (!met()) await this.#wake.promise;
  }
}

/** What becomes of an append: written at once, refused at the call, or decided later; in both of the last it may fail. */
export type Fate = undefined | "refused" | Promise<void>;

export const unwritten = (recorded: "no" | "unknown"): SallyportError => new SallyportError("ledger.unavailable", "The record was not written.", { recorded });

type Of<T extends SessionEvent["type"]> = Extract<SessionEvent, { readonly type: T }>["data"];

/** A session's recording. `fate` as for its stream; what is refused is not in it. */
export class RecordingProbe extends Watched implements RecordingWriter {
  readonly events: RecordingEvent[] = [];
  full = false;
  fate: (events: readonly RecordingEvent[]) => Promise<void> | undefined = () => undefined;
  /** Appends so far, whatever became of them. */
  attempts = 0;
  #next = 0;

  reserve(count: number): number {
    this.#next += count;
    return this.#next - count;
  }

  async append(events: readonly RecordingEvent[]): Promise<void> {
    const fate = this.fate(events);
    this.attempts++;
    this.changed();
    await fate;
    this.events.push(...events);
    this.changed();
  }

  get outputs(): Extract<RecordingEvent, { type: "OutputRecorded" }>["data"][] {
    return this.events.flatMap((event) => (event.type === "OutputRecorded" ? [event.data] : []));
  }

  get sent(): Extract<RecordingEvent, { type: "CopyDataRecorded" }>["data"][] {
    return this.events.flatMap((event) => (event.type === "CopyDataRecorded" ? [event.data] : []));
  }

  /** The COPY data of a command as it stands in the recording, message by message. */
  copied(commandId?: number): Buffer {
    const own = this.sent.filter((each) => commandId === undefined || each.commandId === commandId);
    return Buffer.concat(own.map(({ gzipBase64 }) => gunzipSync(Buffer.from(gzipBase64, "base64"))));
  }

  /** What the client was shown in answer to a command, as it stands in the recording. */
  shown(commandId?: number): Buffer {
    const own = this.outputs.filter((each) => commandId === undefined || each.commandId === commandId);
    return Buffer.concat(own.map(({ gzipBase64 }) => gunzipSync(Buffer.from(gzipBase64, "base64"))));
  }
}

/** A session's stream. What is accepted keeps its place in it, whether or not it is ever answered, as in the real one. */
export class RecordProbe extends Watched implements SessionWriter {
  readonly events: SessionEvent[] = [];
  readonly recording = new RecordingProbe();
  fate: (events: readonly SessionEvent[], patience: "fail" | "keep") => Fate = () => undefined;

  append(events: readonly SessionEvent[], patience: "fail" | "keep"): Promise<void> {
    const fate = this.fate(events, patience);
    if (fate === "refused") return Promise.reject(unwritten("no"));
    this.events.push(...events);
    this.changed();
    return fate ?? Promise.resolve();
  }

  drained(): Promise<void> {
    return Promise.resolve();
  }

  of<T extends SessionEvent["type"]>(type: T): Of<T>[] {
    return this.events.filter((event): event is Extract<SessionEvent, { readonly type: T }> => event.type === type).map(({ data }) => data as Of<T>);
  }

  /** Types of the events about commands, with what tells them apart: `CommandCompleted 1 failed`. */
  get commands(): string[] {
    return this.events.flatMap(({ type, data }) => {
      if (!("commandId" in data)) return [];
      const detail = "outcome" in data ? ` ${data.outcome}` : "code" in data ? ` ${data.code}` : "";
      return [`${type} ${data.commandId}${detail}`];
    });
  }

  async completed(count: number): Promise<Of<"CommandCompleted">[]> {
    await this.until(() => this.of("CommandCompleted").length >= count);
    return this.of("CommandCompleted");
  }
}

/** The approvals of one gateway, in memory. Quorums are of one. */
export class MemoryApprovals extends Watched implements Approvals {
  readonly asked: { readonly id: string; readonly request: ApprovalRequest }[] = [];
  /** `consumed <commandId>`, in order. */
  readonly taken: string[] = [];
  readonly #states = new Map<string, ApprovalState>();

  async request(id: string, request: ApprovalRequest): Promise<void> {
    this.asked.push({ id, request });
    this.#set(id, "pending");
  }

  async settled(id: string, signal: AbortSignal): Promise<ApprovalView> {
    const aborted = new Promise<never>((_, reject) => {
      const abort = (): void => reject(new Error(String(signal.reason)));
      if (signal.aborted) abort();
      else signal.addEventListener("abort", abort, { once: true });
    });
    await Promise.race([this.until(() => this.stateOf(id) !== "pending"), aborted]);
    return this.#view(id);
  }

  propose(): Promise<ApprovalView> {
    return Promise.reject(new SallyportError("feature.unsupported", "Nobody proposes anything here."));
  }

  accept(): Promise<ApprovalView> {
    return this.propose();
  }

  use(): Promise<ApprovalView> {
    return this.propose();
  }

  revoke(): Promise<ApprovalView> {
    return this.propose();
  }

  requestPlan(): Promise<ApprovalView> {
    return this.propose();
  }

  standing(): readonly ApprovalView[] {
    return [];
  }

  inWhoseName(): undefined {
    return undefined;
  }

  mayDecide(): boolean {
    return true;
  }

  countersign(): Promise<ApprovalView> {
    return this.propose();
  }

  approve(id: string): Promise<ApprovalView> {
    return this.#decide(id, "granted");
  }

  deny(id: string): Promise<ApprovalView> {
    return this.#decide(id, "denied");
  }

  async consume(id: string, { commandId, digest, policyVersion }: Parameters<Approvals["consume"]>[1]): Promise<ApprovalView> {
    const { command, decision } = this.#request(id);
    if (this.stateOf(id) !== "granted") throw new SallyportError("approval.already_decided", "It is not granted.");
    if (command.commandId !== commandId || command.digest !== digest || decision.policyVersion !== policyVersion)
      throw new SallyportError("approval.drift", "What was approved is not what would run.");
    this.taken.push(`consumed ${commandId}`);
    this.#set(id, "consumed");
    return this.#view(id);
  }

  async withdraw(id: string): Promise<void> {
    if (this.stateOf(id) === "pending" || this.stateOf(id) === "granted") this.#set(id, "withdrawn");
  }

  find(id: string): ApprovalView | undefined {
    return this.#states.has(id) ? this.#view(id) : undefined;
  }

  async load(id: string): Promise<ApprovalView | undefined> {
    return this.find(id);
  }

  list(): readonly ApprovalView[] {
    return this.asked.map(({ id }) => this.#view(id));
  }

  get states(): (ApprovalState | undefined)[] {
    return this.asked.map(({ id }) => this.stateOf(id));
  }

  stateOf(id: string): ApprovalState | undefined {
    return this.#states.get(id);
  }

  /** The n-th that is asked for, from 1. */
  async number(n: number): Promise<string> {
    await this.until(() => this.asked.length >= n);
    return this.asked[n - 1]?.id ?? randomUUID();
  }

  async #decide(id: string, state: "granted" | "denied"): Promise<ApprovalView> {
    if (this.stateOf(id) !== "pending") throw new SallyportError("approval.already_decided", "It is decided.");
    this.#set(id, state);
    return this.#view(id);
  }

  #set(id: string, state: ApprovalState): void {
    this.#states.set(id, state);
    this.changed();
  }

  #request(id: string): ApprovalRequest {
    const found = this.asked.find((each) => each.id === id);
    if (found === undefined) throw new SallyportError("approval.not_found", "No such approval.");
    return found.request;
  }

  #view(id: string): ApprovalView {
    const { sessionId, command, resource, requestedBy, decision, expiresAt } = this.#request(id);
    return {
      id,
      state: this.stateOf(id) ?? "pending",
      sessionId,
      command,
      resource: resource.name,
      requestedBy: requestedBy.id,
      policyVersion: decision.policyVersion,
      rules: decision.rules,
      quorum: decision.quorum,
      steps: decision.terms?.steps ?? [{ people: decision.quorum, groups: [] }],
      denyBy: [],
      approverHours: [],
      escalation: undefined,
      escalated: false,
      votes: [],
      counter: undefined,
      previews: [],
      counterTo: undefined,
      plan: undefined,
      settings: undefined,
      until: undefined,
      scope: undefined,
      uses: 0,
      approvers: ["bo"],
      requestedAt: new Date(0),
      expiresAt,
      decidedBy: "bo",
      comment: "",
    };
  }
}
