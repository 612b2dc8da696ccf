import { mkdirSync } from "node:fs";
import { SallyportError } from "@sallyport/proto/errors";

/** For its owner alone. Fails with `config.invalid` where it cannot be made: a file of that name, a folder that others own. */
export function makeDataDir(path: string): void {
  try {
    mkdirSync(path, { recursive: true, mode: 0o700 });
  } catch (error) {
    if (!(error instanceof Error)) throw error;
    throw new SallyportError("config.invalid", `The data directory ${path} cannot be made: ${error.message} (SALLYPORT_DATA_DIR).`, {}, error);
  }
}
