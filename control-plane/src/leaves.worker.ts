import { constants, setPriority } from "node:os";
import { parentPort, workerData } from "node:worker_threads";
import { feedLeaves } from "./ledger/integrity/leaf-feed.ts";
import type { LeavesRequest, LeavesSettings } from "./ledger/integrity/leaf-messages.ts";
import { openForReading } from "./ledger/ledger-place.ts";

/** The composition root of the thread that hashes the log: a ledger of its own to read. */
if (parentPort === null) throw new Error("The log is hashed in a worker thread only.");
const port = parentPort;
// Where cores are short, signatures come later and sessions do not wait. Only Linux has priorities of threads.
if (process.platform === "linux") setPriority(constants.priority.PRIORITY_BELOW_NORMAL);

const ledger = await openForReading((workerData as LeavesSettings).ledger);

port.on("message", (request: LeavesRequest) => {
  if (request !== "close") void feedLeaves(ledger, request);
  else void ledger.close().then(() => port.close());
});
