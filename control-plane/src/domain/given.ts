import assert from "node:assert/strict";
import { type ErrorCode, SallyportError } from "@sallyport/proto/errors";
import type { Decider } from "./decider.ts";

export interface Outcome<State, Event> {
  gives(...expected: readonly Event[]): State;
  fails(code: ErrorCode): void;
  /** A plain `Error`: the caller broke an invariant. */
  isDefect(): void;
}

export interface Given<Command, State, Event> {
  readonly state: State;
  when(command: Command, at?: string): Outcome<State, Event>;
}

/**
 * For tests: `given(...history).when(command).gives(...events)` or `.fails(code)`.
 * (Not `then`: an object with a `then` is taken for a promise.)
 */
export const scenario =
  <Command, State, Event>(
    { decide, evolve, initialState }: Decider<Command, State, Event>,
    now: string,
  ): ((...history: readonly Event[]) => Given<Command, State, Event>) =>
  (...history) => {
    const state = history.reduce(evolve, initialState);
    return {
      state,
      when: (command, at = now) => ({
        gives: (...expected) => {
          const events = decide(command, state, at);
          assert.deepEqual(events, expected);
          return events.reduce(evolve, state);
        },
        fails: (code) => {
          assert.throws(
            () => decide(command, state, at),
            (error) => error instanceof SallyportError && error.code === code,
          );
        },
        isDefect: () => {
          assert.throws(
            () => decide(command, state, at),
            (error) => error instanceof Error && !(error instanceof SallyportError),
          );
        },
      }),
    };
  };
