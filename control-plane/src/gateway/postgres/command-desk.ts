import { randomUUID } from "node:crypto";
import { SallyportError } from "@sallyport/proto/errors";
import { encodeNoticeResponse } from "@sallyport/proto/wire/postgres/backend";
import type { Approvals, ApprovalView, CommandContext, Identities, Policies, Resources, ResourceView, Clock } from "../../application/ports.ts";
import type { Decision, Obligations, Principal } from "../../domain/decision.ts";
import { type RecordedCommand, recordDecision, type SessionEvent } from "../../domain/session/session.events.ts";
import type { RecordingEvent } from "../../domain/session/recording.events.ts";
import { type Executable, recordCommand } from "./command-record.ts";
import { strictest } from "../../domain/strictest-obligations.ts";
import { RunningCommand } from "./running-command.ts";

/** The writer of one session's stream. `fail`: rejects with ledger.unavailable when it cannot write; `keep`: written when it can. */
export interface SessionWriter {
  append(events: readonly SessionEvent[], patience: "fail" | "keep"): Promise<void>;
  /** Resolves when nothing waits to be written any more. */
  drained(): Promise<void>;
}

/** The writer of its recording; durable when it resolves. */
export interface RecordingWriter {
  append(event: RecordingEvent): Promise<void>;
}

export type Verdict =
  | {
      readonly kind: "passed";
      readonly commands: readonly RunningCommand[];
      readonly obligations: Obligations;
      /** Present for reads that may overlap their own record: nothing of the result may leave before it resolves. */
      readonly durable: Promise<void> | undefined;
    }
  | { readonly kind: "refused"; readonly error: SallyportError; readonly hint: string | undefined };

/** How a held command's client is told, and how it withdraws: the signal's reason is `cancelled` or `client_gone`. */
export interface HoldPort {
  begin(): AbortSignal;
  tell(notice: Buffer): void;
}

export interface DeskSetup {
  readonly sessionId: string;
  readonly principal: Principal;
  readonly resource: ResourceView;
  readonly context: CommandContext;
  readonly session: SessionWriter;
  readonly recording: RecordingWriter;
  readonly identities: Identities;
  readonly resources: Resources;
  readonly policies: Policies;
  readonly approvals: Approvals;
  readonly clock: Clock;
  readonly holdMillis: number;
  readonly overlapReads: boolean;
  /** Throws `ledger.unavailable` while nothing can be recorded (I3). */
  readonly guard: () => void;
}

/** Verbs that change nothing at all, not even the transaction: these may run while their event is being written (I1). */
const overlapping = new Set(["SELECT", "VALUES", "TABLE", "SHOW", "EXPLAIN", "FETCH"]);

interface Judged {
  readonly executable: Executable;
  readonly command: RecordedCommand;
  readonly decision: Decision;
}

/**
 * Where each command of one session is decided, recorded and, if need be, held.
 *
 * D1. A verdict of `passed` means: the events that authorise it are durable, or `durable` says when they are (I1).
 * D2. All commands of a unit pass, or none does; the one that was refused is recorded with its reason.
 * D3. A held command is released once, under the policy version that it was held by, or not at all (I4).
 */
export class CommandDesk {
  readonly #setup: DeskSetup;
  #lastId = 0;
  #recorded = 0;

  constructor(setup: DeskSetup) {
    this.#setup = setup;
  }

  get commands(): number {
    return this.#lastId;
  }

  async judge(executables: readonly Executable[], hold: HoldPort): Promise<Verdict> {
    try {
      this.#setup.guard();
      return await this.#judge(executables, hold);
    } catch (error) {
      return { kind: "refused", error: SallyportError.from(error), hint: undefined };
    }
  }

  complete(command: RunningCommand): void {
    // Kept until it can be written; a failure here ends in the log of the writer.
    void this.#setup.session.append([command.completed()], "keep").catch(() => undefined);
  }

  async #judge(executables: readonly Executable[], hold: HoldPort): Promise<Verdict> {
    const judged: Judged[] = [];
    for (const executable of executables) judged.push(await this.#decide(executable));
    const denied = judged.find(({ decision }) => decision.effect === "deny");
    if (denied !== undefined) return this.#refuse(denied, refusalOf(denied.decision));

    const obligations = strictest(judged.map(({ decision }) => decision.obligations));
    for (const each of judged) {
      if (each.decision.effect !== "needs_approval") continue;
      const refusal = await this.#hold(each, obligations, hold);
      if (refusal !== undefined) return refusal;
    }
    const authorised = judged.filter(({ decision }) => decision.effect === "allow");
    const commands = judged.map(({ command }) => new RunningCommand(command.commandId));
    if (authorised.length === 0) return { kind: "passed", commands, obligations, durable: undefined };

    const durable = this.#setup.session.append(
      authorised.map(({ command, decision }) => ({ type: "CommandAuthorized", data: { ...command, decision: recordDecision(decision), obligations } })),
      "fail",
    );
    if (this.#setup.overlapReads && judged.every(mayOverlap)) return { kind: "passed", commands, obligations, durable };
    await durable.catch((error: unknown) => this.#supersede(authorised, SallyportError.from(error)));
    return { kind: "passed", commands, obligations, durable: undefined };
  }

  /** Whether the authorisation will be found in the record is unknown; that nothing was sent is not, and is said behind it. */
  #supersede(authorised: readonly Judged[], error: SallyportError): never {
    if (error.details["recorded"] === "unknown") {
      const denied = authorised.map(({ command, decision }): SessionEvent => ({ type: "CommandDenied", data: { ...command, decision: recordDecision(decision), code: error.code } }));
      void this.#setup.session.append(denied, "keep").catch(() => undefined);
    }
    throw error;
  }

  async #decide(executable: Executable): Promise<Judged> {
    const { identities, resources, policies, recording } = this.#setup;
    const principal = identities.find(this.#setup.principal.id) ?? this.#setup.principal;
    const resource = resources.find(this.#setup.resource.name) ?? this.#setup.resource;
    const { command, input } = recordCommand(++this.#lastId, executable, { resource: resource.name, requester: principal.id }, this.#recorded);
    if (command.recording !== undefined) {
      for (const event of input) await recording.append(event);
      this.#recorded = command.recording.to;
    }
    const decision = policies.current()?.decide({ principal, action: "run", resource, facts: executable.facts }) ?? noPolicy;
    return { executable, command, decision };
  }

  async #refuse({ command, decision }: Judged, error: SallyportError, approvalId?: string): Promise<Verdict> {
    const { session } = this.#setup;
    const denied: SessionEvent = {
      type: "CommandDenied",
      data: { ...command, decision: recordDecision(decision), code: error.code, ...(approvalId === undefined ? {} : { approvalId }) },
    };
    await session.append([denied], "fail");
    return { kind: "refused", error, hint: hintFor(error) };
  }

  /** Waits for people; undefined when the command may go. */
  async #hold(judged: Judged, obligations: Obligations, hold: HoldPort): Promise<Verdict | undefined> {
    const { session, approvals, clock, sessionId, resource, principal, context, holdMillis, policies } = this.#setup;
    const { command, decision } = judged;
    const approvalId = randomUUID();
    const expiresAt = new Date(clock.now().getTime() + holdMillis);
    const signal = hold.begin();
    const held = { ...command, decision: recordDecision(decision), approvalId, expiresAt: expiresAt.toISOString() };
    await session.append([{ type: "CommandHeld", data: held }], "fail");
    await approvals.request(approvalId, { sessionId, command, resource, requestedBy: principal, decision, expiresAt }, context);
    hold.tell(heldNotice(approvalId, decision, judged.executable.facts.riskClass, expiresAt));

    const settled = await approvals.settled(approvalId, signal).catch((error: unknown) => {
      if (!signal.aborted) throw error;
      return undefined;
    });
    if (settled === undefined) return this.#withdrawn(judged, approvalId, signal);
    if (settled.state !== "granted") return this.#refuse(judged, settledError(settled), approvalId);
    try {
      const consumed = await approvals.consume(
        approvalId,
        { sessionId, commandId: command.commandId, digest: command.digest, policyVersion: policies.current()?.version ?? "" },
        context,
      );
      await session.append(
        [{ type: "CommandReleased", data: { commandId: command.commandId, approvalId, digest: command.digest, approvers: consumed.approvers, obligations } }],
        "fail",
      );
    } catch (error) {
      const known = SallyportError.from(error);
      if (known.code === "ledger.unavailable") throw known;
      return this.#refuse(judged, known, approvalId);
    }
    return signal.aborted ? this.#withdrawn(judged, approvalId, signal) : undefined;
  }

  async #withdrawn(judged: Judged, approvalId: string, signal: AbortSignal): Promise<Verdict> {
    const cause = signal.reason === "cancelled" ? "cancelled" : "client_gone";
    await this.#setup.approvals.withdraw(approvalId, cause, this.#setup.context).catch(() => undefined);
    return this.#refuse(judged, new SallyportError("approval.withdrawn", "Canceling the held statement due to user request.", { approval: approvalId }), approvalId);
  }
}

const noPolicy: Decision = {
  effect: "deny",
  policyVersion: "none",
  rules: [],
  reason: "No policy is published.",
  obligations: { maskColumns: [], detectors: [], rowCap: 0 },
  quorum: 0,
};

const mayOverlap = ({ executable: { facts }, decision }: Judged): boolean =>
  decision.effect === "allow" && facts.riskClass === "read" && facts.verbs.every((verb) => overlapping.has(verb));

function refusalOf(decision: Decision): SallyportError {
  if (decision === noPolicy) return new SallyportError("policy.missing", "Refused: no policy is published, so nothing is permitted.");
  const rule = decision.rules.join(", ") || "none permits it";
  return new SallyportError("policy.denied", `Refused by policy. ${decision.reason}`, { rule, policy: decision.policyVersion });
}

function settledError({ id, state, decidedBy, comment }: ApprovalView): SallyportError {
  const details = { approval: id };
  if (state === "denied") return new SallyportError("approval.denied", `${decidedBy} denied this command${comment === "" ? "." : `: ${comment}`}`, details);
  if (state === "expired") return new SallyportError("approval.expired", "Nobody decided on this command in time.", details);
  return new SallyportError("approval.drift", `The approval is ${state}; the command was not run.`, details);
}

function hintFor(error: SallyportError): string {
  switch (error.code) {
    case "policy.denied":
      return "An approval cannot lift this. Ask whoever keeps the policy.";
    case "approval.expired":
    case "approval.drift":
      return "Run it again to ask again.";
    default:
      return "The connection is usable; nothing was sent to the target.";
  }
}

function heldNotice(approvalId: string, decision: Decision, riskClass: string, expiresAt: Date): Buffer {
  const people = decision.quorum === 1 ? "one other person" : `${decision.quorum} other people`;
  return encodeNoticeResponse({
    severity: "NOTICE",
    sqlstate: "01000",
    message: `This command is held until ${people} approve${decision.quorum === 1 ? "s" : ""} it. Approval ${approvalId}`,
    detail: `code: approval.pending; rule: ${decision.rules.join(", ")}; policy: ${decision.policyVersion}; risk: ${riskClass}; expires: ${expiresAt.toISOString()}`,
    hint: `They run: sallyport approvals approve ${approvalId}    To withdraw it, cancel (Ctrl-C).`,
  });
}
