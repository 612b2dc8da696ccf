import { gunzipSync } from "node:zlib";
import type { Recorded } from "../support/stack.ts";
import { isType } from "../support/stack.ts";

/** What clients were shown in answer to recorded commands, from the events of recordings; of one command, or of all in their order. */
export const shownIn = (events: readonly Recorded[], commandId?: number): Buffer =>
  Buffer.concat(
    events
      .filter(isType("OutputRecorded", ({ data }) => commandId === undefined || data.commandId === commandId))
      .map(({ data }) => gunzipSync(Buffer.from(data.gzipBase64, "base64"))),
  );

/** The messages of COPY that clients sent, likewise. */
export const sentIn = (events: readonly Recorded[], commandId?: number): Buffer =>
  Buffer.concat(
    events
      .filter(isType("CopyDataRecorded", ({ data }) => commandId === undefined || data.commandId === commandId))
      .map(({ data }) => gunzipSync(Buffer.from(data.gzipBase64, "base64"))),
  );

/** Everything permitted, and what comes of it, or goes to it, recorded; `more` are annotations of `run`. */
export const recordingPolicy = (more = "", record = "output"): { readonly name: string; readonly text: string }[] => [
  {
    name: "recording.cedar",
    text: `
      @id("all") permit (principal, action == Action::"open", resource);
      @id("run") @record("${record}") ${more} permit (principal, action == Action::"run", resource);
      @id("approve") permit (principal, action == Action::"approve", resource);`,
  },
];
