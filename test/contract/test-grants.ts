import type { SallyportError } from "@sallyport/proto/errors";
import type { GrantView } from "../../control-plane/src/application/grant-ports.ts";
import { grantedBy } from "../../control-plane/src/application/grant-view.ts";
import { grantExpired, grantRevoked } from "../../control-plane/src/domain/grant/grant.decider.ts";
import type { GatewayDeps } from "../../control-plane/src/gateway/postgres/gateway.ts";

interface Held {
  readonly id: string;
  readonly emergency: boolean;
  over: SallyportError | undefined;
  readonly watchers: Set<(why: SallyportError) => void>;
}

/** Ana's grants, as the gateway meets them: what they say, and what a test does to them. One is open at the start, `g1`. */
export class TestGrants {
  /** Of `use`, when it is called. */
  revokedMeanwhile = false;
  /** What `use` waits for. */
  using: Promise<void> = Promise.resolve();
  /** Told when it is called. */
  onUse = (): void => undefined;
  /** Grant and session, in order. */
  readonly used: (readonly [grantId: string, sessionId: string])[] = [];
  readonly #all: Held[] = [];

  constructor(emergency = false) {
    this.give("g1", emergency);
  }

  /** As if others had agreed to it just now: it ends after all before it. */
  give(id: string, emergency = false): void {
    this.#all.push({ id, emergency, over: undefined, watchers: new Set() });
  }

  readonly port: Partial<GatewayDeps["grants"]> = {
    current: (requestedBy, resource, kind) => {
      const found = this.#all.findLast((each) => each.over === undefined && (kind === undefined || grantedBy(each as unknown as GrantView) === kind));
      return found === undefined ? undefined : ({ id: found.id, emergency: found.emergency, requestedBy, resource } as GrantView);
    },
    use: async (grantId, sessionId) => {
      this.onUse();
      await this.using;
      if (this.revokedMeanwhile) throw grantRevoked("orders");
      this.used.push([grantId, sessionId]);
    },
    requireOpen: (grantId) => {
      const { over } = this.#grant(grantId);
      if (over !== undefined) throw over;
    },
    onEnd: (grantId, ended) => {
      const { watchers, over } = this.#grant(grantId);
      if (over === undefined) watchers.add(ended);
      else ended(over);
      return () => watchers.delete(ended);
    },
  };

  get watchers(): number {
    return this.#all.reduce((sum, { watchers }) => sum + watchers.size, 0);
  }

  expire(id: string): void {
    this.#end(id, grantExpired("orders"));
  }

  revoke(id: string): void {
    this.#end(id, grantRevoked("orders"));
  }

  /** Over by the clock, and the timer that says so is late. */
  pass(id: string): void {
    this.#grant(id).over = grantExpired("orders");
  }

  #end(id: string, why: SallyportError): void {
    const grant = this.#grant(id);
    grant.over = why;
    for (const ended of grant.watchers) ended(why);
  }

  #grant(id: string): Held {
    const found = this.#all.find((each) => each.id === id);
    if (found === undefined) throw new Error(`There is no grant ${id}.`);
    return found;
  }
}
