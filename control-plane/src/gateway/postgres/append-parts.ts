import type { RecordingEvent } from "../../domain/session/recording.events.ts";
import type { SessionEvent } from "../../domain/session/session.events.ts";

/** Commands whose events are one append: the ledger takes 1 MiB at once, and the event of a command with few parameters is below a tenth of that. */
const APPEND_COMMANDS = 8;

/** Each parameter has some 50 bytes in its command's event besides its value: so many more weigh like one more command. */
const PARAMETERS_OF_A_COMMAND = 2_048;

/** Bytes of one append of what is too long for a command's own event: two chunks, or a thousand short values. */
const INPUT_APPEND_BYTES = 524_288;

/** What an event of the recording has besides its bytes, metadata included. */
const INPUT_EVENT_BYTES = 512;

/** A session's events, in their order, in as many appends as the ledger needs. */
export const eventAppends = (events: readonly SessionEvent[]): readonly SessionEvent[][] => [
  ...inParts(events, ({ data }) => ("commandId" in data && "parameters" in data ? commandsIn(data.parameters.length) : 1), APPEND_COMMANDS),
];

/** Whether the events of these commands are one append. */
export const fitsOneAppend = (commands: readonly { readonly parameters: readonly unknown[] }[]): boolean =>
  commands.length === 1 || commands.reduce((sum, { parameters }) => sum + commandsIn(parameters.length), 0) <= APPEND_COMMANDS;

/** Long inputs, in turn: of thousands of short values each append takes many, as each is waited for. */
export const inputAppends = (input: Iterable<RecordingEvent>): Iterable<RecordingEvent[]> =>
  inParts(input, ({ data }) => INPUT_EVENT_BYTES + ("base64" in data ? data.base64.length : 0), INPUT_APPEND_BYTES);

const commandsIn = (parameters: number): number => 1 + Math.floor(parameters / PARAMETERS_OF_A_COMMAND);

/** One that is heavier than `most` stands alone. */
function* inParts<T>(all: Iterable<T>, weigh: (one: T) => number, most: number): Generator<T[]> {
  let part: T[] = [];
  let weight = 0;
  for (const one of all) {
    const more = weigh(one);
    if (part.length > 0 && weight + more > most) {
      yield part;
      part = [];
      weight = 0;
    }
    part.push(one);
    weight += more;
  }
  if (part.length > 0) yield part;
}
