import { constants, setPriority } from "node:os";
import { parentPort, workerData } from "node:worker_threads";
import { SallyportError } from "@sallyport/proto/errors";
import { ownLog } from "./application/own-record.ts";
import { tryOnHistory } from "./application/what-if/try-on-history.ts";
import { openForReading } from "./ledger/ledger-place.ts";
import { createCedarCompiler } from "./policy/compiler.ts";
import { openedLog } from "./sealing/sealed-ledger.ts";
import { openSealing } from "./sealing/sealing.ts";
import type { Reply, ThreadSettings } from "./what-if/messages.ts";

/** The composition root of one trial's thread: a ledger of its own to read, a compiler of its own; it ends with its report. */
if (parentPort === null) throw new Error("A trial runs in a worker thread only.");
const port = parentPort;
// Where cores are short, a trial waits and sessions do not. Only Linux has priorities of threads; elsewhere it would be the whole process.
if (process.platform === "linux") setPriority(constants.priority.PRIORITY_BELOW_NORMAL);

const settings = workerData as ThreadSettings;
const reply = (message: Reply): void => port.postMessage(message);

const log = openedLog(await openForReading(settings.ledger), openSealing(settings.subjectKeys).sealer);
// The main thread names what is set aside.
const ledger = ownLog(log, () => undefined);
try {
  const compiler = createCedarCompiler();
  reply({ kind: "report", report: await tryOnHistory({ ledger, compiler }, settings.question, (progress) => reply({ kind: "progress", progress })) });
} catch (error) {
  const { code, message, details } = SallyportError.from(error);
  reply({ kind: "failure", failure: { code, message, details } });
} finally {
  await ledger.close();
}
