import { existsSync, mkdirSync } from "node:fs";
import { dirname } from "node:path";
import { SallyportError } from "@sallyport/proto/errors";

/** For its owner alone. Fails with `config.invalid` where it cannot be made: a file of that name, a folder that others own. */
export function makeDataDir(path: string): void {
  try {
    make(path);
  } catch (error) {
    if (!(error instanceof Error)) throw error;
    throw new SallyportError("config.invalid", `The data directory ${path} cannot be made: ${error.message} (SALLYPORT_DATA_DIR).`, {}, error);
  }
}

/** Node's own `recursive` never comes back where a file system says ENOENT of a folder whose parent is there, as /proc does. */
function make(path: string): void {
  const parent = dirname(path);
  if (parent !== path && !existsSync(parent)) make(parent);
  // Of one that is there this does nothing.
  if (existsSync(path)) mkdirSync(path, { recursive: true });
  else mkdirSync(path, { mode: 0o700 });
}
