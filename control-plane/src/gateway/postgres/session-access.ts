import { SallyportError } from "@sallyport/proto/errors";
import type { GrantView, Grants } from "../../application/grant-ports.ts";
import { grantedBy } from "../../application/grant-view.ts";
import type { CommandContext } from "../../application/ports.ts";
import { isNewer } from "../../domain/catalogue.ts";
import { type ByGrant, type Decision, recordDecision } from "../../domain/decision.ts";
import type { SessionEndCause } from "../../domain/session/session.events.ts";
import type { SessionWriter } from "./command-authorizer.ts";
import { OPEN_NOW } from "./next-step.ts";

export interface AccessSetup {
  readonly sessionId: string;
  readonly requester: { readonly id: string; readonly kind: "human" | "machine"; readonly groups: readonly string[] };
  readonly resource: string;
  readonly context: CommandContext;
  readonly grants: Pick<Grants, "current" | "use" | "requireOpen" | "onEnd">;
  readonly record: SessionWriter;
  /** What policy says of opening it now, with who and what as they are now. */
  readonly decide: (granted: ByGrant) => Decision;
  /** Nothing more may happen under its access. */
  readonly ended: (cause: SessionEndCause, why: SallyportError) => void;
}

/** As long as a command waits for its event. What runs meanwhile was decided on; what is new waits. */
export const GO_ON_MS = 2_000;

/**
 * The access that one session stands on: what is open to its requester anyway, or a grant and, when that one's time is up, the next.
 *
 * G1. `granted` is one value for all decisions of a session: it goes on only with a grant of the kind that it began with.
 * G2. From the end of one grant to the durable event that names the next, nothing new is decided; `settled` waits for it.
 * G3. Whoever revokes a grant ends the sessions that stand on it, whatever else is open (I5).
 * G4. What is enforced for the whole session is what it was opened with: one that would have to be read-only by now ends.
 */
export class SessionAccess {
  readonly #setup: AccessSetup;
  #kind: ByGrant = false;
  #grant: GrantView | undefined;
  /** `opening`: nothing is recorded that could go on. */
  #phase: "opening" | "open" | "released" = "opening";
  #readOnly = false;
  #goingOn: Promise<void> | undefined;
  #forget: () => void = () => undefined;

  constructor(setup: AccessSetup) {
    this.#setup = setup;
  }

  /** What events of the session's beginning say of it. */
  get named(): { readonly grantId?: string; readonly emergency?: true } {
    return this.#grant === undefined ? {} : named(this.#grant);
  }

  /** Answers what every decision of the session is taken with. From here on the end of that is told. */
  begin(): ByGrant {
    const { grants, requester, resource } = this.#setup;
    this.#grant = grants.current(requester.id, resource);
    this.#kind = grantedBy(this.#grant);
    this.#watch();
    return this.#kind;
  }

  /** Durable before the session is: a grant that was revoked meanwhile opens nothing. */
  async use(): Promise<void> {
    if (this.#grant !== undefined) await this.#use(this.#grant);
  }

  /** What it is to be opened with. */
  decided(readOnly: boolean): void {
    this.#readOnly = readOnly;
  }

  opened(): void {
    if (this.#phase !== "released") this.#phase = "open";
  }

  /** It may go on under this decision as it was opened. */
  permits({ effect, obligations }: Decision): boolean {
    return effect === "allow" && (obligations.readOnly === undefined || this.#readOnly);
  }

  /** Throws when its access is over, also where the timer that ends the session is late. */
  settled(): Promise<void> | undefined {
    // What it goes on with may be over by then, too.
    return (this.#goingOn ?? this.#noticed())?.then(() => this.settled());
  }

  #noticed(): Promise<void> | undefined {
    if (this.#grant === undefined) return undefined;
    try {
      this.#setup.grants.requireOpen(this.#grant.id);
      return undefined;
    } catch (error) {
      return this.#ended(SallyportError.from(error));
    }
  }

  release(): void {
    this.#phase = "released";
    this.#forget();
  }

  #watch(): void {
    if (this.#grant === undefined || this.#phase === "released") return;
    this.#forget = this.#setup.grants.onEnd(this.#grant.id, (why) => {
      this.#ended(why).catch((error: unknown) => {
        const known = SallyportError.from(error);
        if (this.#phase !== "released") this.#setup.ended(causeOf(known), known);
      });
    });
  }

  /** Once for all who notice. */
  #ended(why: SallyportError): Promise<void> {
    this.#goingOn ??= this.#goOn(why)
      .finally(() => (this.#goingOn = undefined))
      // Told at once where the next one is over already, and that is another end.
      .then(() => this.#watch());
    return this.#goingOn;
  }

  async #goOn(why: SallyportError): Promise<void> {
    const { grants, decide, requester, resource } = this.#setup;
    const former = this.#grant;
    if (former === undefined || this.#phase === "released") throw why;
    if (this.#phase === "opening" || why.code !== "grant.expired") throw this.#otherAccess(why, "");
    const next = grants.current(requester.id, resource, this.#kind);
    if (next === undefined || next.id === former.id) throw this.#otherAccess(why, ", of another kind");
    const decision = decide(this.#kind);
    if (!this.permits(decision)) throw this.#otherAccess(why, ", read-only by now");
    const { promise: failed, reject: fail } = Promise.withResolvers<never>();
    const late = setTimeout(() => fail(this.#otherAccess(why, ", and going on with it could not be recorded in time")), GO_ON_MS);
    const forget = grants.onEnd(next.id, () => fail(why));
    try {
      await Promise.race([this.#record(former, next, decision), failed]);
    } catch (error) {
      throw SallyportError.from(error).code === why.code ? error : this.#otherAccess(why, ", and going on with it could not be recorded");
    } finally {
      clearTimeout(late);
      forget();
    }
    this.#forget();
    this.#grant = next;
  }

  async #record(former: GrantView, next: GrantView, decision: Decision): Promise<void> {
    const { record, sessionId } = this.#setup;
    await this.#use(next);
    if (this.#phase === "released") throw new SallyportError("session.ended", "The session has ended.");
    const data = { sessionId, decision: recordDecision(decision), formerGrantId: former.id, ...named(next) };
    await record.append([{ type: "SessionContinued", data }], "fail");
  }

  #use({ id }: GrantView): Promise<void> {
    const { grants, sessionId, requester, resource, context } = this.#setup;
    return grants.use(id, sessionId, requester, resource, context);
  }

  /** They may have access all the same, by another grant or without one: then there is nothing to ask for. */
  #otherAccess(why: SallyportError, but: string): SallyportError {
    const { grants, decide, requester, resource } = this.#setup;
    if (decide(grantedBy(grants.current(requester.id, resource))).effect !== "allow") return why;
    return new SallyportError(why.code, `${why.message} You have other access to it${but}: connect again.`, { ...why.details, access: OPEN_NOW });
  }
}

const causeOf = (why: SallyportError): SessionEndCause => (isNewer(why) ? "ledger_lost" : why.code === "grant.revoked" ? "grant_revoked" : "grant_expired");

const named = ({ id, emergency }: GrantView): { readonly grantId: string; readonly emergency?: true } => ({
  grantId: id,
  ...(emergency ? { emergency: true } : {}),
});
