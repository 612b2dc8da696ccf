import type { Socket } from "node:net";
import { type ErrorCode, SallyportError } from "@sallyport/proto/errors";
import type { Channel, ChannelHandlers, CloseReason, ControlBody } from "@sallyport/proto/tunnel/channel";
import type { Opened } from "@sallyport/proto/gen/sallyport/tunnel/v1/tunnel";
import { encodeBackendKeyData } from "@sallyport/proto/wire/postgres/backend";
import type { Clock, CommandContext, Resources, ResourceView, SignedIn } from "../../application/ports.ts";
import {
  type ByGrant,
  type Circumstances,
  type Decision,
  noObligations,
  type Obligations,
  type Purpose,
  recordDecision,
  type RecordedDecision,
} from "../../domain/decision.ts";
import { plainFacts, type CommandFacts } from "../../domain/facts.ts";
import { takeDecision } from "../../domain/take-decision.ts";
import type { SessionEndCause, SessionEvent } from "../../domain/session/session.events.ts";
import { CommandAuthorizer } from "./command-authorizer.ts";
import type { PostgresGateway } from "./gateway.ts";
import { ON_REQUEST } from "./next-step.ts";
import { PostgresSession } from "./session.ts";
import { purposeRequired } from "./purpose-required.ts";
import { SessionAccess } from "./session-access.ts";
import { SessionPurpose } from "./session-purpose.ts";
import { readStartup } from "./startup-parameters.ts";
import { wireObligations } from "./wire-obligations.ts";

export interface Visitor {
  readonly gateway: PostgresGateway;
  readonly socket: Socket;
  readonly parameters: ReadonlyMap<string, string>;
  readonly signedIn: SignedIn;
  readonly address: string;
  readonly transport: string;
  readonly sessionId: string;
}

/** What the agent is told to expect at the start: the obligations of an ordinary read. */
const ordinaryRead: CommandFacts = {
  ...plainFacts,
  verbs: ["SELECT"],
};

/**
 * From a signed-in client to a running session: request recorded, decided, opened at the agent, recorded, greeted.
 * A refusal anywhere is an event, and thrown for the client to hear.
 */
export async function openSession(visitor: Visitor): Promise<void> {
  const { gateway, socket, parameters, signedIn, address, transport, sessionId } = visitor;
  const { deps } = gateway;
  const { principal, tokenId } = signedIn;
  const context: CommandContext = { actor: { kind: principal.kind, id: principal.id }, correlationId: sessionId };
  const log = deps.log.child({ sessionId });
  const { session: record, recording } = deps.openRecord(sessionId, context);
  const name = resourceNamed(parameters.get("database"), principal.id, deps.resources);
  const { carried, purpose, refused } = readParameters(parameters);

  // Registered from the start: whoever is disabled, shut out, or loses their grant while the target is being opened does not get in.
  const leaving = new AbortController();
  let left: { readonly cause: SessionEndCause; readonly message: string; readonly error: SallyportError | undefined } | undefined;
  let end = (cause: SessionEndCause, message: string, error?: SallyportError): void => {
    left ??= { cause, message, error };
    leaving.abort(error ?? new SallyportError("session.ended", message));
  };
  let reconsider = (): void => undefined;
  const unregister = deps.register(
    { sessionId, identityId: principal.id, tokenId, resource: name },
    (cause, message) => end(cause, message),
    () => reconsider(),
  );
  const requested: SessionEvent = {
    type: "SessionRequested",
    data: {
      sessionId,
      nodeId: deps.nodeId,
      identity: principal,
      tokenId,
      resource: name,
      protocol: "postgres",
      clientAddress: address,
      application: carried["application_name"] ?? "",
      transport,
      parameters: carried,
    },
  };
  const saying: SessionEvent[] =
    purpose.reason === "" && purpose.ticket === "" ? [] : [{ type: "PurposeStated", data: { sessionId, by: principal.id, ...purpose } }];
  const stated = new SessionPurpose(purpose);
  const access = new SessionAccess({
    sessionId,
    requester: principal,
    resource: name,
    context,
    grants: deps.grants,
    record,
    decide: (granted) => decideNow(visitor, name, granted, stated.now),
    ended: (cause, why) => end(cause, why.message, why),
  });
  let decision: RecordedDecision | undefined;
  const refuse = (known: SallyportError): Promise<void> => {
    const data = { sessionId, code: known.code, message: known.message, ...(decision === undefined ? {} : { decision, ...access.named }) };
    return record.append([{ type: "SessionRefused", data }], "keep").catch(() => undefined);
  };
  await record.append([requested, ...saying], "fail").catch((error: unknown) => {
    unregister();
    const known = SallyportError.from(error);
    // The request keeps its place, and what became of it follows, when the ledger is back; nobody waits for that.
    if (known.details["recorded"] !== "no") void refuse(known);
    throw known;
  });
  try {
    if (refused !== undefined) throw refused;
    const resource = findResource(gateway, name);
    const granted = access.begin();
    const circumstances = { time: deps.clock.now(), clientAddress: address, purpose };
    const decided = decideOpen(visitor, resource, granted, circumstances);
    decision = recordDecision(decided);
    if (decided.effect !== "allow") throw refusedToOpen(decided, name, mayBeAsked(deps.grants.requestable(resource, principal)));
    const { readOnly } = decided.obligations;
    access.decided(readOnly !== undefined);
    reconsider = () => {
      const now = decideNow(visitor, name, granted, stated.now);
      if (access.permits(now)) return;
      const error = noLongerOpen(now, name);
      end("policy_changed", error.message, error);
    };

    const reading = { principal, action: "run", resource, facts: ordinaryRead, granted, circumstances } as const;
    const obligations = deps.policies.current()?.decide(reading).obligations ?? noObligations;
    const ofSession: Obligations = readOnly === undefined ? obligations : { ...obligations, readOnly };
    const opened = await openTarget(visitor, resource, carried, ofSession, leaving.signal);
    try {
      await access.use();
      const how = readOnly === undefined ? {} : { readOnly };
      await record.append([{ type: "SessionOpened", data: { sessionId, agentId: resource.agentId, decision, ...access.named, ...how } }], "fail");
    } catch (error) {
      opened.channel.close({ code: "", message: "" });
      throw error;
    }
    access.opened();
    const authorizer = new CommandAuthorizer({
      sessionId,
      principal,
      resource,
      parameters: carried,
      context,
      session: record,
      recording,
      identities: deps.identities,
      resources: deps.resources,
      policies: deps.policies,
      approvals: deps.approvals,
      clock: deps.clock,
      granted,
      clientAddress: address,
      purpose: stated,
      readOnly: readOnly === undefined ? undefined : decided.rules,
      holdMillis: gateway.limits.holdMillis,
      transactionHoldMillis: gateway.limits.transactionHoldMillis,
      overlapReads: deps.overlapReads,
      guard: () => {
        deps.guard();
        return access.settled();
      },
    });
    const session = new PostgresSession(
      {
        gateway,
        socket,
        authorizer,
        recording,
        log,
        clientEncoding: carried["client_encoding"] ?? "UTF8",
        searchPath: carried["search_path"],
        resource: resource.name,
        traces: opened.traces,
        listsRowFunctions: opened.listsRowFunctions,
        obligations,
        ended: (cause, message, bytes) => {
          const data = { sessionId, cause, message, commands: authorizer.commands, bytesToTarget: bytes.toTarget, bytesToClient: bytes.toClient };
          const recorded = record
            .append([{ type: "SessionEnded", data }], "keep")
            .catch((error: unknown) => log.error({ err: error }, "session end not recorded"));
          release(recorded);
          log.info({ cause, commands: authorizer.commands }, "session ended");
        },
      },
      () => opened.channel,
    );
    const cancel = gateway.cancels.register(() => session.cancel());
    end = (cause, message, error) => session.end(cause, message, error);
    const cancelExpiry = expireAt(signedIn.expiresAt, deps.clock, () => session.end("token_expired", "The token of this session has expired."));
    const release = (recorded: Promise<void>): void => {
      cancelExpiry();
      access.release();
      cancel.release();
      unregister();
      gateway.remove(session, recorded);
    };
    gateway.add(session);
    if (left !== undefined) return session.end(left.cause, left.message, left.error);
    log.info({ identity: principal.id, resource: name }, "session opened");
    session.start(opened.greeting, encodeBackendKeyData(cancel.processId, cancel.key));
    opened.handOver(session);
  } catch (error) {
    unregister();
    access.release();
    const known = SallyportError.from(error);
    await refuse(known);
    throw known;
  }
}

/** What is refused is refused when the request is recorded. */
function readParameters(parameters: ReadonlyMap<string, string>): {
  readonly carried: Record<string, string>;
  readonly purpose: Purpose;
  readonly refused: SallyportError | undefined;
} {
  try {
    const { carried, purpose } = readStartup(parameters);
    return { carried, purpose, refused: undefined };
  } catch (error) {
    return { carried: {}, purpose: { reason: "", ticket: "" }, refused: SallyportError.from(error) };
  }
}

/** Also when only a reason is missing. */
const mayBeAsked = ({ effect, lacks }: Decision): boolean => effect !== "deny" || lacks !== undefined;

function findResource(gateway: PostgresGateway, name: string): ResourceView {
  gateway.deps.resources.requireReadable(name);
  const resource = gateway.deps.resources.find(name);
  if (resource?.protocol !== "postgres") throw unknownResource(name);
  return resource;
}

/**
 * Where a client names no database, it means or sends the user's name. That is nobody's resource: recorded as one, it would stand there
 * in the clear when the person is forgotten.
 */
function resourceNamed(database: string | undefined, identityId: string, resources: Resources): string {
  const name = database ?? identityId;
  if (name !== identityId) return name;
  return resources.find(name)?.name ?? "";
}

const unknownResource = (name: string): SallyportError => {
  if (name === "") return new SallyportError("resource.not_found", "Name the resource that you want as the database.");
  return new SallyportError("resource.not_found", `There is no resource "${name}" that you may open.`, { resource: name });
};

function decideOpen({ gateway, signedIn: { principal } }: Visitor, resource: ResourceView, granted: ByGrant, circumstances: Circumstances): Decision {
  const policy = gateway.deps.policies.current();
  if (policy === undefined) throw new SallyportError("policy.missing", "Refused: no policy is published, so nothing is permitted.");
  return policy.decide({ principal, action: "open", resource, granted, circumstances });
}

/** The same of a session that is open, with who and what as they are now. */
function decideNow({ gateway, address, signedIn: { principal } }: Visitor, name: string, granted: ByGrant, purpose: Purpose): Decision {
  const { identities, resources, policies } = gateway.deps;
  const found = identities.find(principal.id);
  const now = found?.disabled === true ? undefined : found;
  const circumstances = { time: gateway.deps.clock.now(), clientAddress: address, purpose };
  return takeDecision(policies.current(), { principal: now, resource: resources.find(name), action: "open", granted, circumstances });
}

const noLongerOpen = ({ reason, rules, policyVersion }: Decision, name: string): SallyportError =>
  new SallyportError("policy.denied", `Policy changed: you may not have "${name}" open any more. ${reason}`, {
    resource: name,
    rule: rules.join(", ") || "none permits it",
    policy: policyVersion,
  });

/** Someone who may not open a resource is told no more than that it is not there for them, and by which policy. */
function refusedToOpen(decision: Decision, name: string, requestable: boolean): SallyportError {
  if (decision.lacks !== undefined) return purposeRequired(decision, decision.lacks);
  const details = {
    resource: name,
    rule: decision.rules.join(", ") || "none permits it",
    policy: decision.policyVersion,
    ...(requestable ? { access: ON_REQUEST } : {}),
  };
  return new SallyportError("policy.denied", `You may not open "${name}". ${decision.reason}`, details);
}

interface OpenedTarget {
  readonly channel: Channel;
  readonly greeting: Buffer;
  /** The agent tells what columns are made of. */
  readonly traces: boolean;
  readonly listsRowFunctions: boolean;
  /** From here on everything that comes is the session's. */
  handOver(session: ChannelHandlers): void;
}

/** Asks the agent to connect and log in, and waits for the target's greeting within a bound. */
async function openTarget(
  { gateway, sessionId, socket }: Visitor,
  resource: ResourceView,
  parameters: Record<string, string>,
  obligations: Obligations,
  leaving: AbortSignal,
): Promise<OpenedTarget> {
  const { promise, resolve, reject } = Promise.withResolvers<Opened>();
  /** What comes between the greeting and the hand-over: kept, and given to the session first. */
  const early: ((session: ChannelHandlers) => void)[] = [];
  let owner: ChannelHandlers = {
    data: (bytes) => early.push((session) => session.data(bytes)),
    control: (body: ControlBody) => {
      if (body.$case === "opened") resolve(body.value);
    },
    drained: () => undefined,
    closed: (reason: CloseReason) => {
      reject(closedError(reason));
      early.push((session) => session.closed(reason));
    },
  };
  const channel = gateway.deps.links.open(
    resource.agentId,
    {
      resource: resource.name,
      sessionId,
      parameters,
      obligations: wireObligations(obligations),
      credit: 0,
    },
    {
      data: (bytes) => owner.data(bytes),
      control: (body) => owner.control(body),
      drained: () => owner.drained(),
      closed: (reason) => owner.closed(reason),
    },
  );
  const deadline = setTimeout(() => reject(new SallyportError("session.timeout", "The target did not answer in time.")), gateway.limits.openMillis);
  const gone = (): void => reject(new SallyportError("session.ended", "The client went away."));
  socket.once("close", gone);
  if (socket.destroyed) gone();
  leaving.addEventListener("abort", () => reject(leaving.reason as Error));
  if (leaving.aborted) reject(leaving.reason as Error);
  try {
    const { greeting, traces = false, listsRowFunctions = false } = await promise;
    const handOver = (session: ChannelHandlers): void => {
      owner = session;
      for (const tell of early.splice(0)) tell(session);
    };
    return { channel, greeting, traces, listsRowFunctions, handOver };
  } catch (error) {
    channel.close({ code: "", message: "" });
    throw error;
  } finally {
    clearTimeout(deadline);
    socket.off("close", gone);
  }
}

const closedError = ({ code, message }: CloseReason): SallyportError =>
  new SallyportError((code || "target.unreachable") satisfies ErrorCode, message || "The target closed the connection.");

/** setTimeout counts in 31 bits of milliseconds. */
const MAX_TIMEOUT_MILLIS = 2_147_483_647;

/** Answers how to call it off. */
function expireAt(at: Date, clock: Clock, expired: () => void): () => void {
  let timer: NodeJS.Timeout;
  const wait = (): void => {
    const left = at.getTime() - clock.now().getTime();
    timer = setTimeout(() => (left > MAX_TIMEOUT_MILLIS ? wait() : expired()), Math.min(Math.max(left, 0), MAX_TIMEOUT_MILLIS)).unref();
  };
  wait();
  return () => clearTimeout(timer);
}
