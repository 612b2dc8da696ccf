import type { PolicyEvent, PolicyFile } from "../domain/policy/policy.events.ts";
import type { EventMetadata } from "../ledger/ledger.ts";

export interface PublishedPolicy {
  readonly version: string;
  readonly files: readonly PolicyFile[];
  readonly by: string;
  readonly at: Date;
}

/** A node that cannot load the version in force decides under the last of these that it can load; each is a policy set in memory. */
export const MAX_EARLIER_POLICIES = 3;

/** The published policy with its files, which the decider's state does not carry; those that are proposed, and those before. */
export class PolicyInForce {
  #revision = -1n;
  #published: PublishedPolicy | undefined;
  /** Newest first. */
  #earlier: readonly PublishedPolicy[] = [];
  /** Files of versions that are proposed or published. */
  readonly #files = new Map<string, readonly PolicyFile[]>();

  get published(): PublishedPolicy | undefined {
    return this.#published;
  }

  get earlier(): readonly PublishedPolicy[] {
    return this.#earlier;
  }

  /** Of a version that is proposed or published. */
  filesOf(version: string): readonly PolicyFile[] | undefined {
    return this.#files.get(version);
  }

  /** Somebody was forgotten. */
  rename(from: string, to: string): void {
    const renamed = (policy: PublishedPolicy): PublishedPolicy => (policy.by === from ? { ...policy, by: to } : policy);
    this.#published &&= renamed(this.#published);
    this.#earlier = this.#earlier.map(renamed);
  }

  apply(revision: bigint, event: PolicyEvent, { actor, at }: EventMetadata): void {
    if (revision <= this.#revision) return;
    this.#revision = revision;
    const { version } = event.data;
    switch (event.type) {
      case "PolicyTried":
      case "PolicyApproved":
        return;
      case "PolicyProposed":
        this.#files.set(version, event.data.files);
        return;
      case "PolicyPublished":
        if (this.#published !== undefined) this.#earlier = [this.#published, ...this.#earlier].slice(0, MAX_EARLIER_POLICIES);
        this.#published = { version, files: this.#files.get(version) ?? [], by: actor.id, at: new Date(at) };
        return;
      case "PolicyRetired":
        this.#files.delete(version);
        if (this.#published?.version === version) this.#published = undefined;
        return;
      case "PolicyRejected":
      case "PolicyProposalWithdrawn":
      case "PolicySuperseded":
        this.#files.delete(version);
    }
  }
}
