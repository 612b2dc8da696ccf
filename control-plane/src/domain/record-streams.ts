/** The part of a stream's name before its first `-`. Names are data at rest: a category is added here and never taken away. */
const CATEGORIES: ReadonlySet<string> = new Set([
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
]);

/** Whether a stream belongs to the record, so that nobody may delete it from outside. */
export const isRecordStream = (stream: string): boolean => stream.includes("-") && CATEGORIES.has(stream.slice(0, stream.indexOf("-")));
