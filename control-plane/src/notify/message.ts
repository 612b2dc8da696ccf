import { onOneLineWith } from "@sallyport/proto/disruptive";
import type { Field, Notice, Step, Urgency } from "./notice.ts";

/** What a channel may say. */
export interface Discretion {
  /** Names of people and what they wrote. */
  readonly people: boolean;
  /** Texts of statements, and other sensitive ones. */
  readonly statements: boolean;
  /** Where links lead; without it there are none. */
  readonly links?: string | undefined;
}

/** What is sent: the same for every kind of channel, which only writes it down. */
export interface Message {
  /** The same at each attempt: whoever receives it twice can tell. */
  readonly id: string;
  readonly kind: string;
  readonly title: string;
  readonly urgency: Urgency;
  /** When it happened, not when it is told. */
  readonly at: string;
  readonly eventId: string;
  readonly eventType: string;
  readonly fields: readonly Pick<Field, "name" | "value">[];
  readonly next: readonly (Omit<Step, "path"> & { readonly link?: string })[];
}

/** A field is for a glance; whoever needs more has the record. */
export const MAX_FIELD_LENGTH = 1_000;
/** Members of a list that are named. */
const LISTED = 20;

export function messageOf(
  { kind, title, urgency, fields, next }: Notice,
  of: Pick<Message, "id" | "at" | "eventId" | "eventType">,
  { people, statements, links }: Discretion,
): Message {
  const may = { public: true, personal: people, sensitive: statements };
  return {
    ...of,
    kind,
    title: cut(oneLine(title)),
    urgency,
    fields: fields.filter(({ classification, value }) => may[classification] && !isEmpty(value)).map(({ name, value }) => ({ name, value: bounded(value) })),
    next: next.map(({ label, command, path }) => ({ label, command, ...(links === undefined ? {} : { link: `${links.replace(/\/+$/u, "")}/${path}` }) })),
  };
}

export const textOf = (value: Field["value"]): string => (typeof value === "object" ? value.join(", ") : String(value));

const isEmpty = (value: Field["value"]): boolean => value === "" || (typeof value === "object" && value.length === 0);

function bounded(value: Field["value"]): Field["value"] {
  if (typeof value === "number") return value;
  if (typeof value === "string") return cut(oneLine(value));
  const members = value.slice(0, LISTED).map((member) => cut(oneLine(member)));
  return value.length > LISTED ? [...members, `and ${value.length - LISTED} more`] : members;
}

/** U+2400 is the picture of U+0000, and so on for the controls of ASCII. */
const PICTURES = 0x2400;

/** So that no value passes for another field of the message. Nothing is hidden: each such character becomes its picture (␊, ␍, ␛), or the sign of one that cannot be shown. */
const oneLine = (text: string): string =>
  onOneLineWith(text, (character) => (character < " " ? String.fromCharCode(PICTURES + character.charCodeAt(0)) : "\u{fffd}"));

/** Never in the middle of a character. */
function cut(text: string): string {
  if (text.length <= MAX_FIELD_LENGTH) return text;
  const end = MAX_FIELD_LENGTH - 1;
  const last = text.charCodeAt(end - 1);
  return `${text.slice(0, last >= 0xd800 && last <= 0xdbff ? end - 1 : end)}…`;
}
