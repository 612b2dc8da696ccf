import type { DomainEvent } from "../domain/events.ts";
import { idOfStream } from "../domain/record-streams.ts";
import type { AppliedEvent } from "./execute-command.ts";
import type { FoldedStreams } from "./folded-streams.ts";
import type { ViewIndex } from "./view-index.ts";

/** How the streams of one category are followed; the category says which events may be in them. */
export interface CategoryFold {
  /** Whether anything is new in the view. */
  readonly apply: (applied: AppliedEvent) => boolean;
  /** Undefined where nobody asks how far the view of a stream is. */
  readonly revisionOf: (stream: string) => bigint | undefined;
  /** The view lets go of the stream. */
  readonly close: (stream: string) => void;
}

export const states = <State, Event extends DomainEvent>(folded: FoldedStreams<State, Event>): CategoryFold => ({
  apply: ({ stream, revision, event }) => folded.apply(stream, revision, event as Event),
  revisionOf: (stream) => folded.revisionOf(stream),
  close: (stream) => folded.close(stream),
});

export const views = <View, Event extends DomainEvent>(index: ViewIndex<View, Event>): CategoryFold => ({
  apply: ({ revision, event, metadata }) => index.apply(revision, event as Event, metadata.at),
  revisionOf: (stream) => index.revisionOf(idOfStream(stream)),
  close: (stream) => index.close(idOfStream(stream)),
});
