import type { Classification } from "../domain/classification.ts";
import type { DataOf, DomainEvent, EventType } from "../domain/events.ts";

/** How much it matters to whoever is told: `alarm` is for somebody who sleeps. */
export type Urgency = "info" | "action" | "alarm";

/** One thing that a message may say, with the class of the event's field that it comes from. */
export interface Field {
  readonly name: string;
  readonly value: string | number | readonly string[];
  readonly classification: Exclude<Classification, "secret">;
}

/** What somebody can do about it: on the command line, and where a console would show it. Neither does anything by being looked at. */
export interface Step {
  readonly label: string;
  readonly command: string;
  /** Below the channel's `links`. */
  readonly path: string;
}

/** What there is to tell of an event, before a channel's rules take out what it may not show. */
export interface Notice {
  /** `approval.requested`: the names are an interface, and never change. */
  readonly kind: string;
  /** One line that may be shown anywhere: no name of a person, no text of a statement. */
  readonly title: string;
  readonly urgency: Urgency;
  readonly fields: readonly Field[];
  readonly next: readonly Step[];
}

/** What else is known when an event is told of. */
export interface About {
  /** The first event of its stream: a decision says little without what it is on. */
  readonly subject: DomainEvent;
  /** The id itself when the name is not known. */
  readonly agentName: (agentId: string) => string;
}

/** How each type of event is told. Undefined: there is nothing to tell of this one. */
export type Notices = { readonly [T in EventType]?: (data: DataOf<T>, about: About) => Notice | undefined };

export const shown = (name: string, value: Field["value"]): Field => ({ name, value, classification: "public" });
/** Names of people and what they wrote. */
export const personal = (name: string, value: Field["value"]): Field => ({ name, value, classification: "personal" });
export const sensitive = (name: string, value: Field["value"]): Field => ({ name, value, classification: "sensitive" });
