import { existsSync, renameSync } from "node:fs";
import { SallyportError } from "@sallyport/proto/errors";
import type { Logger } from "pino";
import type { Clock } from "../application/ports.ts";
import { IN_MEMORY, Outbox } from "./outbox.ts";

export interface OutboxPlace {
  readonly path: string;
  /** Whether anybody is told of anything. */
  readonly hasChannels: boolean;
  readonly clock: Clock;
  readonly log: Logger;
}

/** Primary result codes of SQLite (sqlite.org/rescode.html): what is there is no database any more. */
const DAMAGED: ReadonlySet<number> = new Set([11, 26]);

/** SQLite's own files beside it. */
const PARTS = ["", "-wal", "-shm"];

/**
 * The outbox, whatever became of its file: what waited in a damaged one is lost, and told from the record by whoever looks there; a
 * gateway that does not start would be worse. Without channels none is made, and an old one is looked at only as far as it can be.
 */
export function openOutbox({ path, hasChannels, clock, log }: OutboxPlace): Outbox {
  if (!hasChannels && !existsSync(path)) return new Outbox(IN_MEMORY);
  try {
    return sound(new Outbox(path));
  } catch (error) {
    if (!hasChannels) {
      log.warn({ err: error, path }, "the outbox of notifications cannot be opened, and nobody needs it");
      return new Outbox(IN_MEMORY);
    }
    if (!isDamage(error)) throw error;
    const aside = `${path}.damaged-${clock.now().toISOString().replaceAll(":", "")}`;
    for (const part of PARTS) if (existsSync(path + part)) renameSync(path + part, aside + part);
    log.error({ err: error, path, aside }, "the outbox of notifications is damaged: it is put aside, what waited in it is not told, and a new one begins now");
    return new Outbox(path);
  }
}

/** Better found now than at each event. */
function sound(outbox: Outbox): Outbox {
  const damage = outbox.damage();
  if (damage === undefined) return outbox;
  outbox.close();
  throw new SallyportError("ledger.corrupt", `The outbox of notifications is damaged: ${damage}`);
}

function isDamage(error: unknown): boolean {
  if (error instanceof SallyportError) return error.code === "ledger.corrupt";
  return error instanceof Error && "errcode" in error && typeof error.errcode === "number" && DAMAGED.has(error.errcode & 0xff);
}
