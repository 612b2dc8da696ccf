import { createReadStream } from "node:fs";
import { MAX_LINE_BYTES, parseEventLine } from "@sallyport/proto/audit/bundle-format";
import { textOf } from "@sallyport/proto/audit/bytes";
import type { LoggedEvent } from "@sallyport/proto/audit/leaf";
import { LineReader } from "@sallyport/proto/audit/lines";
import { nodePrimitives } from "@sallyport/proto/audit/node-primitives";
import { openEvent } from "@sallyport/proto/audit/open-event";

/** The events of a bundle with their personal data opened where the bundle has keys. Proves nothing: `verifyBundle` does. */
export async function* eventsIn(path: string): AsyncGenerator<LoggedEvent> {
  const lines = new LineReader(createReadStream(path), MAX_LINE_BYTES);
  try {
    for (let line = await lines.next(); line !== undefined; line = await lines.next()) {
      const parsed = parseEventLine(line);
      if (parsed === undefined) continue;
      const opened = parsed.keys === undefined ? undefined : await openEvent(nodePrimitives, parsed.event, parsed.keys);
      yield opened?.event ?? (JSON.parse(textOf(parsed.event) ?? "null") as LoggedEvent);
    }
  } finally {
    await lines.stop();
  }
}
