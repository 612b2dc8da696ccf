import { SallyportError } from "@sallyport/proto/errors";
import type { ApprovalStep } from "./approval/terms.ts";
import { type Classification, fieldsOf, type PersonalField, personalFieldsOf } from "./classification.ts";
import type { DomainEvent, EventType } from "./events.ts";
import { liftFacts, liftFunctionClasses } from "./facts.ts";
import { schemas } from "./schemas.ts";

/** What of a recorded event tells what it means. */
export interface StoredEvent {
  readonly type: string;
  readonly data: object;
  readonly metadata: { readonly schemaVersion: number };
  readonly stream: string;
  readonly revision: bigint;
}

const withFactsLifted = (data: object): object => ({ ...data, facts: liftFacts(Reflect.get(data, "facts") as object) });
const withClasses = (data: object): object => ({ ...data, facts: liftFunctionClasses(Reflect.get(data, "facts") as object) });

const planWithClasses = (plan: object | undefined): object =>
  plan === undefined ? {} : { plan: { ...plan, commands: (Reflect.get(plan, "commands") as readonly object[]).map(withClasses) } };

/** One, for anybody whom policy lets decide; none where nobody has to agree. */
const stepsFor = (quorum: number): readonly ApprovalStep[] => (quorum === 0 ? [] : [{ people: quorum, groups: [] }]);

/** Lifts the data of one version to the next. Pure; released versions are never changed, only lifted. */
type Upcaster = (data: object) => object;

/** For each type, what lifts version 1 to 2, 2 to 3, and so on. A type that is not here is at version 1. */
const upcasters: Partial<Record<EventType, readonly Upcaster[]>> = {
  // 2: may name the grant that the session uses. There were none before.
  // 3: the decision may say whom to notify, and what it saw of the time; a session may be read-only, or one of break-glass.
  SessionOpened: [(data) => data, (data) => data],
  SessionRefused: [(data) => data, (data) => data],
  // 2: may have the causes grant_expired and grant_revoked. 3: and policy_changed.
  SessionEnded: [(data) => data, (data) => data],
  // 2: who proposed it, on top of what, and how many must agree. Until then whoever published was alone in it.
  // 3: may name groups that are told of it; the ends of a proposal (2 of them, 3 of its publication) name them too.
  PolicyProposed: [(data) => ({ ...data, digest: "", names: { groups: [], labels: [] }, base: "", proposedBy: "", required: 0 }), (data) => data],
  PolicyPublished: [(data) => ({ ...data, digest: "", required: 0, rule: "before_rules", approvers: [] }), (data) => data],
  PolicyRejected: [(data) => data],
  PolicyProposalWithdrawn: [(data) => data],
  PolicySuperseded: [(data) => data],
  // 2: the same of their decisions; obligations may hold a cap of bytes, a time-out, what is recorded, and that what is computed is
  // shown; masks may be tokens and roundings.
  // Facts hold columns, a row limit, settings and the state of the transaction. It may run by an approval that was given for a while.
  // 3: facts hold the classes of the functions that are called; the same of plans and of what is proposed instead.
  CommandAuthorized: [withFactsLifted, withClasses],
  CommandDenied: [withFactsLifted, withClasses],
  CommandHeld: [withFactsLifted, withClasses],
  CommandReleased: [(data) => data],
  // And steps of groups, who may refuse, hours, escalation; there was one step before, for anybody whom policy lets decide.
  ApprovalRequested: [
    (data) => ({
      ...data,
      command: withFactsLifted(Reflect.get(data, "command") as object),
      steps: [{ people: Reflect.get(data, "quorum") as unknown, groups: [] }],
      denyBy: [],
      approverHours: [],
    }),
    (data) => ({ ...data, command: withClasses(Reflect.get(data, "command") as object), ...planWithClasses(Reflect.get(data, "plan") as object | undefined) }),
    // 4: may say what its session had set.
    (data) => data,
  ],
  ApprovalCounterProposed: [withClasses],
  // 3: may be for what does no more than the command, in its session, and be given in somebody else's place.
  ApprovalGiven: [(data) => ({ ...data, step: 0, groups: [] }), (data) => data],
  ApprovalDenied: [(data) => data, (data) => data],
  // 2: may be for a while. 3: and for what does no more, in the session.
  ApprovalGranted: [(data) => data, (data) => data],
  // 3: steps of groups, who may refuse, hours, escalation; decided by somebody in another's place.
  AccessRequested: [(data) => data, (data) => ({ ...data, steps: stepsFor(Reflect.get(data, "quorum") as number), denyBy: [], approverHours: [] })],
  AccessApproved: [(data) => data, (data) => ({ ...data, step: 0, groups: [] })],
  AccessDenied: [(data) => data, (data) => data],
  // 2: may be in somebody else's place.
  ApprovalRevoked: [(data) => data],
  GrantRevoked: [(data) => data],
  // 2: may name the limit of policy that cut it short.
  CommandCompleted: [(data) => data],
};

export const eventTypes = Object.keys(schemas) as readonly EventType[];

export const isEventType = (type: string): type is EventType => Object.hasOwn(schemas, type);

/** What is written today. */
export const schemaVersionOf = (type: EventType): number => 1 + (upcasters[type]?.length ?? 0);

/** Of what this release can read: two releases with the same one read the same events. */
export const catalogueFingerprint: string = eventTypes
  .map((type) => `${type}.${String(schemaVersionOf(type))}`)
  .toSorted()
  .join(" ");

export const classificationOf = (type: EventType): ReadonlyMap<string, Classification | undefined> => fieldsOf(schemas[type]);

const personalFields = new Map<string, readonly PersonalField[]>(Object.entries(schemas).map(([type, schema]) => [type, personalFieldsOf(schema)]));

/** What is stored under somebody's key; nothing for a type that is not ours. */
export const personalIn = (type: string): readonly PersonalField[] => personalFields.get(type) ?? [];

/**
 * The event of today that a recorded one of any released version means. Fails with `ledger.newer` on what this release does
 * not know: guessing at a fact would be worse than stopping. Does not check the data field by field; `validate` does.
 */
export function upcast({ type, data, metadata, stream, revision }: StoredEvent): DomainEvent {
  if (!isEventType(type)) throw newer(`${stream} holds an event of the type ${type.slice(0, 100)}, which this release does not know.`, stream, revision);
  const current = schemaVersionOf(type);
  const { schemaVersion } = metadata;
  if (!Number.isSafeInteger(schemaVersion) || schemaVersion < 1) {
    throw new SallyportError("ledger.corrupt", `${type} has no valid schema version.`, { stream, revision: String(revision) });
  }
  if (schemaVersion > current) {
    throw newer(`${stream} holds ${type} of version ${String(schemaVersion)}; this release knows ${String(current)}.`, stream, revision);
  }
  let lifted: object = data;
  for (const lift of upcasters[type]?.slice(schemaVersion - 1) ?? []) lifted = lift(lifted);
  // The type names the shape of the data; that both agree is what `validate` and the golden files prove.
  return { type, data: lifted } as DomainEvent;
}

/** Checks every field; an unknown one is an error too. */
export function validate(event: DomainEvent): void {
  const result = schemas[event.type].safeParse(event.data);
  if (result.success) return;
  const where = result.error.issues.map(({ path, message }) => `${path.join(".")}: ${message}`).join("; ");
  throw new SallyportError("ledger.corrupt", `${event.type} does not match its schema: ${where}`);
}

/** Of an event with metadata of ours: this release cannot say what it means. */
export const isOfLaterRelease = ({ type, metadata }: Pick<StoredEvent, "type" | "metadata">): boolean =>
  !isEventType(type) || metadata.schemaVersion > schemaVersionOf(type);

/** Whether something failed because of such an event. */
export const isNewer = (error: unknown): error is SallyportError & { readonly code: "ledger.newer" } =>
  error instanceof SallyportError && error.code === "ledger.newer";

function newer(message: string, stream: string, revision: bigint): SallyportError {
  return new SallyportError("ledger.newer", `${message} A later release wrote it.`, { stream, revision: String(revision) });
}
