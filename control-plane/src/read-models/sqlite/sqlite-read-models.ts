import { renameSync } from "node:fs";
import { SallyportError } from "@sallyport/proto/errors";
import type { ReadModelStore, ReadModelStores } from "../../application/projections/read-model-store.ts";
import { ReadModelFile, removeFile } from "./read-model-file.ts";

/** One file, safe to delete while nothing runs; a draft stands beside it while it is made anew. Blocks its thread. */
export function sqliteReadModels(path: string): ReadModelStores {
  const draft = `${path}.rebuild`;
  return {
    async open() {
      try {
        return await openStore(path);
      } catch (error) {
        if (!(error instanceof SallyportError) || error.details["damaged"] !== "yes") throw error;
        removeFile(path);
        return openStore(path);
      }
    },
    discard: () => removeFile(path),
    draft() {
      removeFile(draft);
      return openStore(draft);
    },
    adopt() {
      removeFile(path);
      renameSync(draft, path);
    },
  };
}

async function openStore(path: string): Promise<ReadModelStore> {
  const file = await attempt(() => new ReadModelFile(path));
  return {
    opened: file.checkpoint,
    apply: (batch) => attempt(() => file.apply(batch)),
    sessions: (query) => attempt(() => file.sessions(query)),
    commands: (query) => attempt(() => file.commands(query)),
    counts: () => attempt(() => file.counts()),
    close: () => attempt(() => file.close()),
  };
}

/** SQLite's primary result codes (sqlite.org/rescode.html) for a file that is not one of its own, or is damaged. */
const damagedCodes: ReadonlySet<number> = new Set([11, 26]);

async function attempt<T>(run: () => T): Promise<T> {
  try {
    return run();
  } catch (error) {
    const message = error instanceof Error ? error.message : String(error);
    const code = error instanceof Error && "errcode" in error && typeof error.errcode === "number" ? error.errcode & 0xff : undefined;
    const damaged = code !== undefined && damagedCodes.has(code) ? "yes" : "no";
    throw new SallyportError("read_models.unavailable", `The lists cannot be read now: ${message}.`, { damaged }, error);
  }
}
