import { constants, setPriority } from "node:os";
import { parentPort, workerData } from "node:worker_threads";
import { SallyportError } from "@sallyport/proto/errors";
import pino from "pino";
import { ReadModels } from "./application/projections/read-models.ts";
import { systemScheduler } from "./application/scheduler.ts";
import { openForReading } from "./ledger/ledger-place.ts";
import { openedLog } from "./sealing/sealed-ledger.ts";
import { forgottenSince, openSealing } from "./sealing/sealing.ts";
import type { Reply, Request, ThreadSettings } from "./read-models/messages.ts";
import { sqliteReadModels } from "./read-models/sqlite/sqlite-read-models.ts";

/** The composition root of the read models' thread: a ledger of its own to read, and the file that is made of it. */
if (parentPort === null) throw new Error("The read models run in a worker thread only.");
const port = parentPort;
// Where cores are short, lists wait and sessions do not. Only Linux has priorities of threads; elsewhere it would be the whole process.
if (process.platform === "linux") setPriority(constants.priority.PRIORITY_BELOW_NORMAL);

const settings = workerData as ThreadSettings;
const log = pino({ level: settings.logLevel, name: "read-models" });
const reply = (message: Reply): void => port.postMessage(message);

const { keys, sealer } = openSealing(settings.subjectKeys);
const ledger = openedLog(await openForReading(settings.ledger), sealer);
const forgotten = forgottenSince(keys);
const models = new ReadModels({ ledger, stores: sqliteReadModels(settings.file), scheduler: systemScheduler, log, forgotten });
const stop = new AbortController();

async function answer({ id, call, argument }: Request): Promise<unknown> {
  switch (call) {
    case "sessions":
      return models.sessions(argument as never);
    case "commands":
      return models.commands(argument as never);
    case "status":
      return models.status();
    case "rebuild":
      for await (const progress of models.rebuild(stop.signal)) reply({ kind: "progress", id, progress });
      return undefined;
    case "close":
      stop.abort();
      await models.close();
      await ledger.close();
      return undefined;
  }
}

port.on("message", (request: Request) => {
  const { id, call } = request;
  answer(request)
    .then(
      (answered) => reply({ kind: "answer", id, answer: answered, leftOut: models.leftOut }),
      (error: unknown) => {
        const { code, message, details } = SallyportError.from(error);
        if (code === "internal") log.error({ err: error, call }, "a question to the read models failed");
        reply({ kind: "failure", id, failure: { code, message, details } });
      },
    )
    .finally(() => {
      if (call === "close") port.close();
    });
});
