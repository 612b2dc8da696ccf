import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { dirname } from "node:path";
import { argv } from "node:process";
import { cliPage } from "./documents/cli-page.ts";
import { configPage } from "./documents/config-page.ts";
import { errorsPage } from "./documents/errors-page.ts";
import { eventsPage } from "./documents/events-page.ts";

/** Reference pages that are written from the code. A new one is one line here; `check` finds the ones that are out of date. */
const pages: Readonly<Record<string, () => string>> = {
  "docs/reference/cli.md": cliPage,
  "docs/reference/config.md": configPage,
  "docs/reference/errors.md": errorsPage,
  "docs/reference/events.md": eventsPage,
};

/** Pages whose file differs from what the code says, or is not there. */
export function stalePages(): readonly string[] {
  return Object.entries(pages)
    .filter(([file, write]) => contentOf(file) !== write())
    .map(([file]) => file);
}

export function writePages(): void {
  for (const [file, write] of Object.entries(pages)) {
    mkdirSync(dirname(file), { recursive: true });
    writeFileSync(file, write());
  }
}

function contentOf(file: string): string | undefined {
  try {
    return readFileSync(file, "utf8");
  } catch {
    return undefined;
  }
}

if (argv[1] === import.meta.filename) writePages();
