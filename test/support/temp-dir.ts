import { chmodSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { atEnd, type Cleanup } from "./cleanup.ts";

/** A new folder that is gone after the test. Others may enter it, as PostgreSQL's account must, but not list it. */
export function tempDir(cleanup: Cleanup, name = "test"): string {
  const path = mkdtempSync(join(tmpdir(), `sallyport-${name}-`));
  chmodSync(path, 0o711);
  atEnd(cleanup, () => rmSync(path, { recursive: true, force: true, maxRetries: 3 }));
  return path;
}
