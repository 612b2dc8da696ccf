import type { Decider } from "../domain/decider.ts";
import type { DomainEvent } from "../domain/events.ts";
import type { Folded } from "./execute-command.ts";

/** The current state of every stream of one category. An event is applied once, however often it is told of. */
export class FoldedStreams<State, Event extends DomainEvent> {
  readonly #decider: Pick<Decider<never, State, Event>, "evolve" | "initialState">;
  readonly #streams = new Map<string, Folded<State> & { readonly revision: bigint }>();

  constructor(decider: Pick<Decider<never, State, Event>, "evolve" | "initialState">) {
    this.#decider = decider;
  }

  get(stream: string): (Folded<State> & { readonly revision: bigint }) | undefined {
    return this.#streams.get(stream);
  }

  /** -1 for a stream that was never seen. */
  revisionOf(stream: string): bigint {
    return this.#streams.get(stream)?.revision ?? -1n;
  }

  *states(): Iterable<State> {
    for (const { state } of this.#streams.values()) yield state;
  }

  close(stream: string): void {
    this.#streams.delete(stream);
  }

  /** The stream has another name from now on. */
  rename(from: string, to: string, change: (state: State) => State): void {
    const known = this.#streams.get(from);
    if (known === undefined || from === to) return;
    this.#streams.delete(from);
    this.#streams.set(to, { ...known, state: change(known.state) });
  }

  /** What is in the states reads otherwise from now on. */
  change(change: (state: State) => State): void {
    for (const [stream, known] of this.#streams) this.#streams.set(stream, { ...known, state: change(known.state) });
  }

  apply(stream: string, revision: bigint, event: Event): boolean {
    const known = this.#streams.get(stream);
    if (known !== undefined && revision <= known.revision) return false;
    this.#streams.set(stream, { state: this.#decider.evolve(known?.state ?? this.#decider.initialState, event), revision });
    return true;
  }
}
