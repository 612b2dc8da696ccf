import type { RecordedCommand } from "./session.events.ts";

/** How the gateway marks what it takes out of a text. Somebody may write such a mark themselves: it then counts as more, never as less. */
const mark = /<redacted: (\d{1,9}) bytes?>/g;

/**
 * What of a command no reader of the record sees: in words for whoever decides on it. Undefined: they see all of it. Records of earlier
 * releases, and texts in the recording, do not say how much.
 */
export function withheldOf({ statement, redacted, parameters }: Pick<RecordedCommand, "statement" | "redacted" | "parameters">): string | undefined {
  if (!redacted) return undefined;
  const texts = [statement ?? "", ...parameters.map(({ value }) => value ?? "")];
  const counts = texts.flatMap((text) => [...text.matchAll(mark)].map(([, bytes]) => Number(bytes)));
  const bytes = counts.reduce((sum, count) => sum + count, 0);
  if (counts.length === 0) return "part of the text";
  return `${bytes} ${bytes === 1 ? "byte" : "bytes"} in ${counts.length} ${counts.length === 1 ? "place" : "places"}`;
}
