import { randomUUID } from "node:crypto";
import { type ErrorCode, SallyportError } from "@sallyport/proto/errors";
import type { Approvals, ApprovalView } from "../../application/approval-ports.ts";
import type { CommandContext, Identities, Resources, ResourceView, Clock } from "../../application/ports.ts";
import type { Policies } from "../../application/policy-ports.ts";
import { isNewer } from "../../domain/catalogue.ts";
import { type ByGrant, type Decision, type Obligations, type Principal, recordDecision } from "../../domain/decision.ts";
import type { SessionEvent } from "../../domain/session/session.events.ts";
import { takeDecision } from "../../domain/take-decision.ts";
import { eventAppends, fitsOneAppend, inputAppends } from "./append-parts.ts";
import { type CommandRecord, type Executable, recordCommand } from "./command-record.ts";
import { counterNotice, heldNotice } from "./held-notice.ts";
import { authorization, type DecidedCommand, denial, fillsRecording, hidesCode } from "./decided-command.ts";
import { nextStep } from "./next-step.ts";
import { garbledText, hintFor, readOnlyError, recordingFull, refusalOf, settledError, unreadable, withdrawn } from "./refusals.ts";
import { objectionTo, readOnlyObjection } from "./read-only-session.ts";
import type { SessionPurpose } from "./session-purpose.ts";
import { failsAtOnce, mayOverlap } from "./overlap.ts";
import { recordsOutput, strictestObligations } from "../../domain/obligations.ts";
import type { RecordingWriter } from "./recording/recording-writer.ts";
import { plannedDigest } from "./plan-text.ts";
import { SessionSettings } from "./session-settings.ts";
import { RunningCommand } from "./running-command.ts";
import { type StandingApproval, standingApproval } from "./standing-approval.ts";
import type { Instead, Verdict } from "./verdict.ts";

/** The writer of one session's stream. `fail`: rejects with ledger.unavailable when it cannot write; `keep`: written when it can. */
export interface SessionWriter {
  append(events: readonly SessionEvent[], patience: "fail" | "keep"): Promise<void>;
  /** Resolves when nothing waits to be written any more. */
  drained(): Promise<void>;
}

/** How a held command's client is told, and how it withdraws: the signal's reason is `cancelled` or `client_gone`. */
export interface HoldPort {
  begin(): AbortSignal;
  /** A transaction is open at the target, and keeps its locks while people think. */
  readonly inTransaction: boolean;
  tell(notice: Buffer): void;
}

export interface CommandAuthorizerSetup {
  readonly sessionId: string;
  readonly principal: Principal;
  readonly resource: ResourceView;
  /** What the client brought along when it connected. */
  readonly parameters: Readonly<Record<string, string>>;
  readonly context: CommandContext;
  readonly session: SessionWriter;
  readonly recording: RecordingWriter;
  readonly identities: Identities;
  readonly resources: Resources;
  readonly policies: Policies;
  readonly approvals: Approvals;
  readonly clock: Clock;
  /** Every decision of a session that uses a grant is taken with it. */
  readonly granted: ByGrant;
  readonly clientAddress: string;
  readonly purpose: SessionPurpose;
  /** Rules that opened the session read-only; undefined when it is not. */
  readonly readOnly?: readonly string[] | undefined;
  readonly holdMillis: number;
  readonly transactionHoldMillis: number;
  readonly overlapReads: boolean;
  /** Throws while nothing may run: nothing can be recorded (I3), or the session's grant is over. A promise: while it is being seen to. */
  readonly guard: () => Promise<void> | undefined;
}

/**
 * Where each command of one session is decided, recorded and, if need be, held.
 *
 * D1. A verdict of `passed` means: the events that authorise it are durable, or `durable` says when they are (I1).
 * D2. All commands of a unit pass, or none does. What was refused is recorded with its reason; what was recorded as authorised
 *     or released and did not go is recorded as denied behind it.
 * D3. A held command is released once, under the policy version that it was held by, and only if policy still allows it, or
 *     not at all (I4). No approval is used up before all that a unit needs are granted.
 */
export class CommandAuthorizer {
  readonly #setup: CommandAuthorizerSetup;
  readonly #settings: SessionSettings;
  #lastId = 0;

  constructor(setup: CommandAuthorizerSetup) {
    this.#setup = setup;
    const bound = { resource: setup.resource.name, requester: setup.principal.id };
    this.#settings = new SessionSettings(setup.parameters, (executable) => plannedDigest(executable, bound));
  }

  get commands(): number {
    return this.#lastId;
  }

  /**
   * `prospects` are only prepared, not executed: they need no record, but what policy denies is refused here already.
   * `counterTo`: the approval that the one executable was proposed in. `unsettled`: code that
   * cannot be classified ran, and the target has not said since what it changed.
   */
  async authorize(
    executables: readonly Executable[],
    prospects: readonly Executable[],
    hold: HoldPort,
    counterTo?: string,
    unsettled = false,
  ): Promise<Verdict> {
    try {
      await this.#setup.guard();
      await this.#statePurpose(executables);
      this.#settings.answered(hold.inTransaction);
      const verdict = await this.#authorize(executables, prospects, hold, counterTo, unsettled);
      if (verdict.kind === "passed") this.#settings.sent(executables, verdict.commands, hold.inTransaction);
      return verdict;
    } catch (error) {
      const known = SallyportError.from(error);
      return { kind: "refused", error: known, hint: nextStep(known) };
    }
  }

  complete(command: RunningCommand): void {
    // Kept until it can be written; a failure here ends in the log of the writer.
    void this.#setup.session.append([command.completed()], "keep").catch(() => undefined);
  }

  /** Durable before anything is decided with it. */
  async #statePurpose(executables: readonly Executable[]): Promise<void> {
    const { purpose, session, sessionId, principal } = this.#setup;
    const stated = executables.flatMap((executable) => executable.stated ?? []);
    const next = stated.length === 0 ? undefined : purpose.after(stated);
    if (next === undefined) return;
    await session.append([{ type: "PurposeStated", data: { sessionId, by: principal.id, ...next } }], "fail");
    purpose.set(next);
  }

  async #authorize(
    executables: readonly Executable[],
    prospects: readonly Executable[],
    hold: HoldPort,
    counterTo: string | undefined,
    unsettled: boolean,
  ): Promise<Verdict> {
    const { readOnly } = this.#setup;
    const objection = readOnly === undefined ? undefined : readOnlyObjection(executables, unsettled);
    const unclearBehind = this.#settings.unclearBehind(executables);
    const decided: DecidedCommand[] = [];
    for (const [index, executable] of executables.entries()) {
      const decision = this.#decide(executable);
      const { command, input } = this.#describe(executable);
      if (command.recording !== undefined) await this.#recordInput(input);
      const one = { executable, command, decision, unclear: unclearBehind !== -1 && index > unclearBehind };
      if (decision.effect === "deny") return this.#refuse([one], refusalOf(decision));
      // Where policy lets it pass, the target says the same.
      if (decision.effect === "needs_approval" && executable.garbled === true) return this.#refuse([one], garbledText());
      if (objection?.executable === executable) return this.#refuse([one], readOnlyError(objection.why, readOnly ?? []));
      decided.push(one);
    }
    for (const executable of prospects) {
      const decision = this.#decide(executable);
      const why = readOnly === undefined ? undefined : objectionTo(executable);
      if (decision.effect !== "deny" && why === undefined) continue;
      const { command, input } = this.#describe(executable);
      if (command.recording !== undefined) await this.#recordInput(input);
      const error = decision.effect === "deny" || why === undefined ? refusalOf(decision) : readOnlyError(why, readOnly ?? []);
      return this.#refuse([{ executable, command, decision }], error);
    }
    const obligations = strictestObligations(decided.map(({ decision }) => decision.obligations));
    if (this.#setup.recording.full && fillsRecording(decided, obligations)) return this.#refuse(decided, recordingFull());
    const released: DecidedCommand[] = [];
    for (const each of decided) {
      if (each.decision.effect !== "needs_approval" || this.#standingFor(each) !== undefined) continue;
      if (hidesCode(each)) return this.#refuse([each], unreadable(), released);
      const granted = await this.#hold(each, hold, counterTo);
      if (granted.kind === "refused") {
        const refused = await this.#refuse([{ ...each, approvalId: granted.approvalId }], granted.error, released);
        return granted.instead === undefined ? refused : { kind: "replaced", instead: granted.instead };
      }
      released.push({ ...each, approvalId: granted.approvalId });
    }
    const isPlain = released.length === 0 && decided.every((each) => each.decision.effect === "allow" && this.#standingFor(each) === undefined);
    const events = isPlain ? decided.map((each) => authorization(each, obligations)) : await this.#authorizations(decided, released, obligations);
    const commands = decided.map(({ command }) => new RunningCommand(command.commandId));
    if (events.length === 0) return { kind: "passed", commands, obligations, durable: undefined };
    // What is recorded is what the client saw: a result that is withheld in the end must not have been recorded.
    const overlap =
      this.#setup.overlapReads && !recordsOutput(obligations) && decided.every(({ decision, executable }) => mayOverlap(decision, executable.facts));
    const durable = this.#append(events);
    if (overlap && !(await failsAtOnce(durable))) return { kind: "passed", commands, obligations, durable };
    try {
      await durable;
    } catch (error) {
      const known = SallyportError.from(error);
      this.#denyUnsent(
        decided.map((each) => released.find(({ command }) => command === each.command) ?? each),
        known,
        known.code,
      );
      throw known;
    }
    return { kind: "passed", commands, obligations, durable: undefined };
  }

  async #appendAll(parts: readonly (readonly SessionEvent[])[]): Promise<void> {
    await Promise.all(parts.map((part) => this.#setup.session.append(part, "fail")));
  }

  #append(events: readonly SessionEvent[]): Promise<void> {
    const parts = events.length > 1 ? eventAppends(events) : [events];
    return parts.length > 1 ? this.#appendAll(parts) : this.#setup.session.append(events, "fail");
  }

  /** Whether the events will be found in the record may be unknown; that nothing was sent is not, and is said behind them. */
  #denyUnsent(decided: readonly DecidedCommand[], { details }: SallyportError, code: ErrorCode): void {
    // One append that was refused at the call has left nothing but what was held before.
    const nothing = details["recorded"] === "no" && fitsOneAppend(decided.map(({ command }) => command));
    this.#deny(nothing ? decided.filter(({ approvalId }) => approvalId !== undefined) : decided, code);
  }

  #deny(decided: readonly DecidedCommand[], code: ErrorCode): void {
    for (const each of decided) void this.#setup.session.append([denial(each, code)], "keep").catch(() => undefined);
  }

  /** By who the requester and what the resource is now: whoever was removed since, or what was retired, is refused. */
  #decide({ facts }: Executable): Decision {
    const { identities, resources, policies, granted, clock, clientAddress, purpose } = this.#setup;
    const found = identities.find(this.#setup.principal.id);
    const principal = found?.disabled === true ? undefined : found;
    const circumstances = { time: clock.now(), clientAddress, purpose: purpose.now };
    return takeDecision(policies.current(), { principal, resource: resources.find(this.#setup.resource.name), action: "run", facts, granted, circumstances });
  }

  #describe(executable: Executable): CommandRecord {
    const { resource, principal, recording } = this.#setup;
    const record = recordCommand(++this.#lastId, executable, { resource: resource.name, requester: principal.id }, recording.reserve(0));
    const { from, to } = record.command.recording ?? { from: 0, to: 0 };
    recording.reserve(to - from);
    return record;
  }

  /** What is too long for the command's own event is durable before that. */
  async #recordInput(input: CommandRecord["input"]): Promise<void> {
    for (const events of inputAppends(input)) await this.#setup.recording.append(events);
  }

  /** `granted`: commands of the same unit whose approvals are then of no use. */
  async #refuse(refused: readonly DecidedCommand[], error: SallyportError, granted: readonly DecidedCommand[] = []): Promise<Verdict> {
    for (const { approvalId } of granted) if (approvalId !== undefined) await this.#withdraw(approvalId, "drift");
    const all = [...refused, ...granted];
    await this.#append(all.map((each) => denial(each, error.code))).catch((failure: unknown) => {
      const known = SallyportError.from(failure);
      this.#denyUnsent(all, known, error.code);
      throw known;
    });
    return { kind: "refused", error, hint: hintFor(error) };
  }

  /** Asks people and waits for them. */
  async #hold(
    { command, decision, executable, unclear = false }: DecidedCommand,
    hold: HoldPort,
    counterTo: string | undefined,
  ): Promise<Granted | NotGranted> {
    const { session, approvals, clock, sessionId, resource, principal, context, holdMillis, transactionHoldMillis } = this.#setup;
    const approvalId = randomUUID();
    const patience = Math.min(holdMillis, hold.inTransaction ? transactionHoldMillis : Infinity, (decision.terms?.timeoutSeconds ?? Infinity) * 1_000);
    const expiresAt = new Date(clock.now().getTime() + patience);
    const signal = hold.begin();
    const settings = this.#settings.current(unclear);
    const held: SessionEvent = {
      type: "CommandHeld",
      data: { ...command, decision: recordDecision(decision), approvalId, expiresAt: expiresAt.toISOString() },
    };
    try {
      await session.append([held], "fail");
      const more = { ...(counterTo === undefined ? {} : { counterTo }), ...(settings === undefined ? {} : { settings }) };
      await approvals.request(approvalId, { sessionId, command, resource, requestedBy: principal, decision, expiresAt, ...more }, context);
      // If whoever proposed it may not decide on it after all, it waits for others.
      if (counterTo !== undefined) await approvals.countersign(approvalId, executable.ofText ?? command.facts).catch(() => undefined);
    } catch (error) {
      return { kind: "refused", approvalId, error: SallyportError.from(error) };
    }
    if (approvals.find(approvalId)?.state !== "granted")
      hold.tell(heldNotice(approvalId, decision, { ...command, facts: executable.facts }, expiresAt, hold.inTransaction));
    let told = "";
    const changed = ({ counter }: ApprovalView): void => {
      if (counter === undefined || counter.digest === told) return;
      told = counter.digest;
      hold.tell(counterNotice(approvalId, counter));
    };
    try {
      const settled = await approvals.settled(approvalId, signal, changed);
      if (settled.state === "granted") return { kind: "granted", approvalId };
      const instead = settled.state === "replaced" ? settled.counter?.statement : undefined;
      const proposed = instead === undefined ? {} : { instead: { statement: instead, counterTo: approvalId } };
      return { kind: "refused", approvalId, error: settledError(settled), ...proposed };
    } catch (error) {
      if (isNewer(error)) return { kind: "refused", approvalId, error };
      if (!signal.aborted) throw error;
      await this.#withdraw(approvalId, signal.reason === "cancelled" ? "cancelled" : "client_gone");
      return { kind: "refused", approvalId, error: withdrawn(approvalId) };
    }
  }

  #standingFor(command: DecidedCommand): StandingApproval | undefined {
    const { approvals, principal, resource, clock, sessionId } = this.#setup;
    return standingApproval(
      approvals.standing(principal.id, resource.name),
      command,
      { sessionId, resource: resource.name, requester: principal.id },
      this.#settings,
      clock.now(),
    );
  }

  /**
   * What is to be appended before any of a unit goes. Where people were waited for, policy is asked once more about all of it: what
   * was decided before stands under what was true then. Uses approvals up, durably. Fails, with everything denied, when one of
   * them cannot be used.
   */
  async #authorizations(decided: readonly DecidedCommand[], released: readonly DecidedCommand[], obligations: Obligations): Promise<SessionEvent[]> {
    const held = new Map(released.map((each) => [each.command, each]));
    const unit = decided.map((each) => held.get(each.command) ?? each);
    const events: SessionEvent[] = [];
    try {
      if (released.length > 0) {
        await this.#setup.guard();
        for (const each of unit) this.#requireUnchanged(each);
      }
      for (const [index, each] of unit.entries()) {
        if (held.has(each.command)) events.push(await this.#release(each, obligations));
        else {
          const used = await this.#useStanding(each);
          unit[index] = used;
          events.push(authorization(used, obligations));
        }
      }
      return events;
    } catch (error) {
      const known = SallyportError.from(error);
      for (const { approvalId = "" } of released) await this.#withdraw(approvalId, "drift");
      this.#deny(unit, known.code);
      throw known;
    }
  }

  /** The hour, groups or a purpose may have changed: other rules ask for other people, and put other obligations on a command. */
  #requireUnchanged({ executable, decision, approvalId }: DecidedCommand): void {
    const details = approvalId === undefined ? {} : { approval: approvalId };
    const now = this.#decide(executable);
    if (now.effect === "deny") throw new SallyportError("approval.drift", `Policy does not allow this any more. ${now.reason}`, details);
    const isSame = now.policyVersion === decision.policyVersion && now.rules.join() === decision.rules.join() && now.quorum === decision.quorum;
    if (!isSame) throw new SallyportError("approval.drift", `Policy decides by other rules by now. ${now.reason}`, details);
  }

  /** One execution under what was approved for a while. What needs nobody's word only takes its turn in a plan. */
  async #useStanding(each: DecidedCommand): Promise<DecidedCommand> {
    const { approvals, sessionId, principal, context } = this.#setup;
    const standing = this.#standingFor(each);
    if (standing === undefined) {
      if (each.decision.effect === "allow") return each;
      throw new SallyportError("approval.expired", "What was approved for a while has ended.");
    }
    const { approvalId, digest, facts } = standing;
    const { policyVersion, rules } = each.decision;
    await approvals.use(approvalId, { requestedBy: principal.id, sessionId, commandId: each.command.commandId, digest, facts, policyVersion, rules }, context);
    return { ...each, approvalId };
  }

  async #release({ command, approvalId = "" }: DecidedCommand, obligations: Obligations): Promise<SessionEvent> {
    const { approvals, policies, sessionId, context } = this.#setup;
    const bound = { sessionId, commandId: command.commandId, digest: command.digest, policyVersion: policies.current()?.version ?? "" };
    const { approvers } = await approvals.consume(approvalId, bound, context);
    return { type: "CommandReleased", data: { commandId: command.commandId, approvalId, digest: command.digest, approvers, obligations } };
  }

  async #withdraw(approvalId: string, cause: "cancelled" | "client_gone" | "drift"): Promise<void> {
    // One that is settled already cannot be withdrawn, and need not be.
    await this.#setup.approvals.withdraw(approvalId, cause, this.#setup.context).catch(() => undefined);
  }
}

interface Granted {
  readonly kind: "granted";
  readonly approvalId: string;
}

interface NotGranted {
  readonly kind: "refused";
  readonly approvalId: string;
  readonly error: SallyportError;
  readonly instead?: Instead;
}
