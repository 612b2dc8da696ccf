import { globSync, mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { dirname } from "node:path";
import { argv } from "node:process";
import { cliPage } from "./documents/cli-page.ts";
import { configPage } from "./documents/config-page.ts";
import { errorsPage } from "./documents/errors-page.ts";
import { eventSchemaPages } from "./documents/event-schemas.ts";
import { eventsPage } from "./documents/events-page.ts";
import { lifecyclesPage } from "./documents/lifecycles-page.ts";

/** Reference pages that are written from the code. A new one is one line here; `check` finds the ones that are out of date. */
const pages: Readonly<Record<string, () => string>> = {
  "docs/reference/cli.md": cliPage,
  "docs/reference/config.md": configPage,
  "docs/reference/errors.md": errorsPage,
  "docs/reference/events.md": eventsPage,
  "docs/reference/lifecycles.md": lifecyclesPage,
  ...eventSchemaPages(),
};

/** Schemas that no event of today has. */
const leftSchemas = (): readonly string[] => globSync("docs/reference/schemas/*.json").filter((file) => !Object.hasOwn(pages, file));

/** Pages whose file differs from what the code says, or is not there, or should not be. */
export function stalePages(): readonly string[] {
  const stale = Object.entries(pages)
    .filter(([file, write]) => contentOf(file) !== write())
    .map(([file]) => file);
  return [...stale, ...leftSchemas()];
}

export function writePages(): void {
  for (const file of leftSchemas()) rmSync(file);
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
