import { randomUUID } from "node:crypto";
import { SallyportError } from "@sallyport/proto/errors";
import { isOfLaterRelease, upcast } from "../domain/catalogue.ts";
import { reached } from "../domain/decider.ts";
import * as erasure from "../domain/erasure/erasure.decider.ts";
import { type ErasureEvent, erasureStream } from "../domain/erasure/erasure.events.ts";
import * as identity from "../domain/identity/identity.decider.ts";
import { identityStream } from "../domain/identity/identity.events.ts";
import { requireHuman } from "../domain/vote.ts";
import type { Ledger } from "../ledger/ledger.ts";
import type { Clock, CommandContext, Erasures, ErasureView, Subjects } from "./ports.ts";
import { decidedBy, systemContext, type UseCaseDeps } from "./use-case.ts";

/** People who decide on this are asked rarely; a week passes over a holiday. */
export const ERASURE_TTL_MS = 7 * 86_400_000;

export interface ErasureService extends Erasures {
  /** At start: what was granted and not finished is finished. Fails with `ledger.corrupt` when keys are missing that nobody decided to destroy. */
  recover(): Promise<void>;
}

export function createErasures(deps: UseCaseDeps & { readonly subjects: Subjects }): ErasureService {
  const { ledger, live, execute, clock, log, nodeId, subjects } = deps;

  const run = (erasureId: string, command: erasure.ErasureCommand, context: CommandContext) =>
    execute({ decider: erasure, stream: erasureStream(erasureId), command, context });

  async function view(erasureId: string): Promise<ErasureView> {
    const found = await readErasures(ledger, clock, erasureStream(erasureId));
    const [only] = found;
    if (only === undefined) throw new SallyportError("approval.not_found", "There is no such request to forget somebody.");
    return only;
  }

  /** Safe to repeat: each step changes nothing when it was done before. Fails where the identity's end cannot be recorded. */
  async function carryOut(erasureId: string): Promise<void> {
    const { subject, identityId } = await view(erasureId);
    live.requireReadable(identityStream(identityId));
    if (live.identities.get(identityStream(identityId))?.state.status === "active") {
      const command = { type: "Disable", reason: "They are being forgotten." } as const;
      await execute({ decider: identity, stream: identityStream(identityId), command, context: systemContext(nodeId) });
    }
    live.rename(identityId, subjects.forget(subject));
    await run(erasureId, { type: "RecordDestroyed" }, systemContext(nodeId));
    log.info({ erasureId, subject }, "a subject was forgotten");
  }

  return {
    async request(identityId, reason, by, context) {
      live.requireReadable(identityStream(identityId));
      const known = live.identities.get(identityStream(identityId))?.state;
      const found = subjects.find(identityId);
      if (known?.identityId !== identityId || found === undefined) {
        throw new SallyportError("identity.not_found", `There is no identity "${identityId}".`);
      }
      if (!found.isSealed) {
        throw new SallyportError("input.invalid", `"${identityId}" was recorded by a release that did not seal names; it cannot be forgotten.`, {
          field: "identity",
        });
      }
      requireHuman(by);
      const open = (await readErasures(ledger, clock)).find(({ subject, state }) => subject === found.subject && (state === "pending" || state === "granted"));
      if (open !== undefined) throw new SallyportError("input.invalid", `This was asked already: ${open.id}.`, { field: "identity" });
      const erasureId = randomUUID();
      const expiresAt = new Date(clock.now().getTime() + ERASURE_TTL_MS).toISOString();
      const data = { erasureId, subject: found.subject, identityId, requestedBy: by.id, reason, expiresAt };
      await run(erasureId, { type: "Request", data }, context);
      return view(erasureId);
    },

    async approve(erasureId, by, comment, context) {
      const { events } = await run(erasureId, { type: "Approve", by: decidedBy(by, context), comment }, context);
      if (events.some(({ type }) => type === "ErasureGranted")) {
        await carryOut(erasureId).catch((error: unknown) =>
          log.error({ err: error, erasureId }, "an erasure was granted, and is carried out at the next start"),
        );
      }
      return view(erasureId);
    },

    async deny(erasureId, by, comment, context) {
      await run(erasureId, { type: "Deny", by: decidedBy(by, context), comment }, context);
      return view(erasureId);
    },

    list: async () => (await readErasures(ledger, clock)).toReversed(),

    async recover() {
      const closed = new Set<string>();
      const all = (await readErasures(ledger, clock, undefined, closed)).filter(({ id }) => !closed.has(erasureStream(id)));
      for (const { id, state, identityId } of all) {
        if (state !== "granted") continue;
        const why = live.whyUnreadable(identityStream(identityId));
        if (why === undefined) await carryOut(id);
        else log.warn({ code: why.code, ...why.details, erasureId: id, why: why.message }, "an erasure that was granted cannot be carried out yet");
      }
      const decided = new Set(all.flatMap(({ subject, state }) => (state === "granted" || state === "destroyed" ? [subject] : [])));
      const missing = Array.from(live.identities.states(), ({ identityId }) => subjects.forgotten(identityId)).filter(
        (subject) => subject !== undefined && !decided.has(subject),
      );
      if (closed.size > 0)
        log.warn({ streams: closed.size }, "a later release wrote about who was forgotten; this one cannot say of whom a key may be missing");
      else if (missing.length > 0) {
        const message = `The keys of ${missing.length} subjects are missing, and nobody decided to destroy them: bring back the file of the subjects' keys.`;
        throw new SallyportError("ledger.corrupt", message, { subject: String(missing[0]) });
      }
    },
  };
}

/**
 * One, or all in the order in which they were asked for. They are few: each is a person that is forgotten. What a later release wrote into
 * fails, unless the caller wants to be told of its streams.
 */
async function readErasures(ledger: Ledger, clock: Clock, stream?: string, closed?: Set<string>): Promise<ErasureView[]> {
  const found = new Map<string, ErasureView>();
  const now = clock.now().toISOString();
  const events = stream === undefined ? ledger.readAll({ filter: { by: "stream", prefixes: [erasureStream("")] } }) : ledger.readStream(stream);
  for await (const recorded of events) {
    if (closed !== undefined && isOfLaterRelease(recorded)) {
      closed.add(recorded.stream);
      continue;
    }
    const event = upcast(recorded) as ErasureEvent;
    const { erasureId } = event.data;
    const next = evolveView(found.get(erasureId), event, recorded.metadata.at);
    if (next !== undefined) found.set(erasureId, next);
  }
  return Array.from(found.values(), (each) => (each.state === "pending" && reached(each.expiresAt.toISOString(), now) ? { ...each, state: "expired" } : each));
}

function evolveView(view: ErasureView | undefined, event: ErasureEvent, at: string): ErasureView | undefined {
  if (event.type === "ErasureRequested") {
    const { erasureId: id, subject, identityId, requestedBy, reason, quorum, expiresAt } = event.data;
    const asked = { id, state: "pending", subject, identityId, requestedBy, reason, quorum } as const;
    return { ...asked, approvers: [], deniedBy: "", requestedAt: new Date(at), expiresAt: new Date(expiresAt) };
  }
  if (view === undefined) return undefined;
  switch (event.type) {
    case "ErasureApproved":
      return { ...view, approvers: [...view.approvers, event.data.by] };
    case "ErasureGranted":
      return { ...view, state: "granted" };
    case "ErasureDenied":
      return { ...view, state: "denied", deniedBy: event.data.by };
    case "SubjectKeyDestroyed":
      return { ...view, state: "destroyed" };
  }
}
