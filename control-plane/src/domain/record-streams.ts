/** The part of a stream's name before its first `-`. Names are data at rest: a category is added here and never taken away. */
const categories = [
  "session",
  "recording",
  "approval",
  "delegation",
  "erasure",
  "grant",
  "policy",
  "agent",
  "agentname",
  "forwarding",
  "resource",
  "retention",
  "identity",
  "node",
  "notification",
  "log",
] as const;

export type RecordCategory = (typeof categories)[number];

const CATEGORIES: ReadonlySet<string> = new Set(categories);

/** Whether a stream belongs to the record, so that nobody may delete it from outside. */
export const isRecordStream = (stream: string): boolean => stream.includes("-") && CATEGORIES.has(categoryOfStream(stream));

/** A stream of the record is named after its category and whatever it is about: `grant-<id>`. */
export const categoryOfStream = (stream: string): string => stream.slice(0, stream.indexOf("-"));
export const idOfStream = (stream: string): string => stream.slice(stream.indexOf("-") + 1);
