import { SallyportError } from "@sallyport/proto/errors";
import { makeFolder } from "./durable-files.ts";

/** Fails with `config.invalid` where it cannot be made (a file of that name, a folder that others own), and names the `setting` that says where. */
export function makeDataDir(path: string, setting: string): void {
  try {
    makeFolder(path);
  } catch (error) {
    if (!(error instanceof Error)) throw error;
    throw new SallyportError("config.invalid", `The data directory ${path} cannot be made: ${error.message} (${setting}).`, {}, error);
  }
}
