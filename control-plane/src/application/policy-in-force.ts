import type { PolicyEvent, PolicyFile } from "../domain/policy/policy.events.ts";
import type { EventMetadata } from "../ledger/ledger.ts";

export interface PublishedPolicy {
  readonly version: string;
  readonly files: readonly PolicyFile[];
  readonly by: string;
  readonly at: Date;
}

/** The published policy with its files, which the decider's state does not carry. */
export class PolicyInForce {
  #revision = -1n;
  #published: PublishedPolicy | undefined;
  /** Files of versions that were proposed and are not retired. */
  readonly #files = new Map<string, readonly PolicyFile[]>();

  get published(): PublishedPolicy | undefined {
    return this.#published;
  }

  /** Somebody was forgotten. */
  rename(from: string, to: string): void {
    if (this.#published?.by === from) this.#published = { ...this.#published, by: to };
  }

  apply(revision: bigint, event: PolicyEvent, { actor, at }: EventMetadata): void {
    if (revision <= this.#revision) return;
    this.#revision = revision;
    const { version } = event.data;
    switch (event.type) {
      case "PolicyProposed":
        this.#files.set(version, event.data.files);
        return;
      case "PolicyPublished":
        this.#published = { version, files: this.#files.get(version) ?? [], by: actor.id, at: new Date(at) };
        return;
      case "PolicyRetired":
        this.#files.delete(version);
        if (this.#published?.version === version) this.#published = undefined;
    }
  }
}
