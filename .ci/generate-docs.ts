import { readFileSync, writeFileSync } from "node:fs";
import { argv } from "node:process";
import { errorCodes } from "../proto/src/errors.ts";

/** Reference pages that are written from the code. A new one is one line here; `check` finds the ones that are out of date. */
const pages: Readonly<Record<string, () => string>> = {
  "docs/reference/errors.md": errorsPage,
};

/** Pages whose file differs from what the code says, or is not there. */
export function stalePages(): readonly string[] {
  return Object.entries(pages)
    .filter(([file, write]) => contentOf(file) !== write())
    .map(([file]) => file);
}

export function writePages(): void {
  for (const [file, write] of Object.entries(pages)) writeFileSync(file, write());
}

function contentOf(file: string): string | undefined {
  try {
    return readFileSync(file, "utf8");
  } catch {
    return undefined;
  }
}

/** A page says where it comes from, so that nobody edits it by hand. */
export function page(title: string, source: string, introduction: string, columns: readonly string[], rows: readonly (readonly string[])[]): string {
  const line = (cells: readonly string[]): string => `| ${cells.map((cell) => cell.replaceAll("|", "\\|")).join(" | ")} |`;
  const table = [line(columns), line(columns.map(() => "---")), ...rows.map(line)].join("\n");
  return `<!-- Written by \`npm run gen\` from ${source}. -->\n# ${title}\n\n${introduction}\n\n${table}\n`;
}

function errorsPage(): string {
  const rows = Object.entries(errorCodes).map(([code, kind]) => [
    `\`${code}\``,
    kind.meaning,
    kind.retryable ? "yes" : "no",
    `\`${kind.sqlstate}\``,
    String(kind.http),
    String(kind.grpc),
  ]);
  return page(
    "Errors",
    "proto/src/errors.ts",
    'Every failure that a client may act on has one of these codes. A PostgreSQL client sees the SQLSTATE, and the code in the detail of the error; a gRPC client sees the status, and the code in the metadata `sallyport-error-code`. "Again" says whether the same request may succeed later without a change.',
    ["Code", "Meaning", "Again", "SQLSTATE", "HTTP", "gRPC"],
    rows,
  );
}

if (argv[1] === import.meta.filename) writePages();
