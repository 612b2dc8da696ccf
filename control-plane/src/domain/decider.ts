/**
 * The one shape of every aggregate's rules: pure, no I/O, no clock, no randomness. `at` is when the command was given.
 * `decide` throws a `SallyportError` when the command may not be, and returns no event when it changes nothing.
 * `evolve` is total: an event that does not fit leaves the state as it was.
 */
export interface Decider<Command, State, Event> {
  readonly decide: (command: Command, state: State, at: string) => Event[];
  readonly evolve: (state: State, event: Event) => State;
  readonly initialState: State;
}

/** Instants are compared as instants, so that the notation never matters. */
export const reached = (deadline: string, at: string): boolean => Date.parse(at) >= Date.parse(deadline);
