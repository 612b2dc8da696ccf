import { parentPort, workerData } from "node:worker_threads";
import { LedgerWriter } from "./ledger-writer.ts";
import { failureOf } from "./sqlite-failure.ts";
import type { WriterReply, WriterRequest } from "./writer-messages.ts";

/** Entry of the writer thread: a slow fsync or a locked file blocks this event loop and no other. */
if (parentPort === null) throw new Error("The writer runs as a worker thread only.");
const port = parentPort;
const reply = (message: WriterReply): void => port.postMessage(message);

try {
  const writer = new LedgerWriter(String(workerData));
  port.on("message", (request: WriterRequest) => {
    if (request.kind === "close") {
      writer.close();
      port.close();
      return;
    }
    if (request.kind === "remove" || request.kind === "purge") {
      reply(removed(writer, request));
      return;
    }
    try {
      reply({ kind: "committed", outcomes: writer.commit(request.appends) });
    } catch (error) {
      reply({ kind: "failed", failure: failureOf(error) });
    }
  });
  reply({ kind: "ready" });
} catch (error) {
  reply({ kind: "failed", failure: failureOf(error) });
}

function removed(writer: LedgerWriter, request: Extract<WriterRequest, { kind: "remove" | "purge" }>): WriterReply {
  try {
    const corrupt = request.kind === "purge" ? writer.purge() : writer.remove(request.removals);
    return { kind: "removed", ...(typeof corrupt === "number" ? { corrupt } : {}) };
  } catch (error) {
    return { kind: "removed", failure: failureOf(error) };
  }
}
