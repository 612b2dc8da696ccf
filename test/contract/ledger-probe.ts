import { randomUUID } from "node:crypto";
import type { Ledger, NewEvent, SubscribeOptions, SubscriptionMessage } from "../../control-plane/src/ledger/ledger.ts";

/** A category of streams that no other test uses. */
export const category = (): string => `t${randomUUID().replaceAll("-", "")}`;

export function newEvent(): NewEvent {
  const metadata = { $correlationId: randomUUID(), actor: { kind: "system", id: "test" }, schemaVersion: 1, at: "2026-11-22T10:00:00.000Z" } as const;
  return { id: randomUUID(), type: "Tested", data: { text: "a", n: 1, list: [true, null] }, metadata };
}

export const newEvents = (count: number): NewEvent[] => Array.from({ length: count }, newEvent);

export async function collect<Item>(items: AsyncIterable<Item>): Promise<Item[]> {
  const all: Item[] = [];
  for await (const item of items) all.push(item);
  return all;
}

/** Follows a subscription and lets a test wait for what it has seen. */
export class SubscriptionProbe {
  readonly ids: string[] = [];
  readonly checkpoints: bigint[] = [];
  readonly #stop: AbortController;
  readonly #done: Promise<void>;
  #last = -1n;
  #caughtUp = false;
  #failure: Error | undefined;
  #wake: (() => void) | undefined;

  constructor(source: Ledger | AsyncIterable<SubscriptionMessage>, options: Omit<SubscribeOptions, "signal"> | AbortController) {
    this.#stop = options instanceof AbortController ? options : new AbortController();
    const messages = "subscribeToAll" in source ? source.subscribeToAll({ ...(options as SubscribeOptions), signal: this.#stop.signal }) : source;
    this.#done = this.#follow(messages);
  }

  caughtUp(): Promise<void> {
    return this.until(() => this.#caughtUp);
  }

  /** Waits for the event at `position`, or one past it. */
  reached(position: bigint): Promise<void> {
    return this.until(() => this.#last >= position);
  }

  async until(condition: () => boolean): Promise<void> {
    while (!condition()) {
      if (this.#failure !== undefined) throw this.#failure;
      await new Promise<void>((resolve) => (this.#wake = resolve));
    }
  }

  /** Fails when the subscription failed. */
  async stop(): Promise<void> {
    this.#stop.abort();
    await this.#done;
    if (this.#failure !== undefined) throw this.#failure;
  }

  async #follow(messages: AsyncIterable<SubscriptionMessage>): Promise<void> {
    try {
      for await (const message of messages) {
        this.#take(message);
        this.#wake?.();
      }
    } catch (error) {
      this.#failure = error as Error;
      this.#wake?.();
    }
  }

  #take(message: SubscriptionMessage): void {
    switch (message.kind) {
      case "event":
        this.ids.push(message.event.id);
        this.#last = message.event.position;
        break;
      case "checkpoint":
        this.checkpoints.push(message.position);
        break;
      case "caughtUp":
        this.#caughtUp = true;
    }
  }
}
