import { createProgram } from "../../cli/src/program.ts";
import { code, page } from "./markdown.ts";

/** Wide enough that few descriptions break, narrow enough for a page. */
const HELP_COLUMNS = 110;

type Verb = ReturnType<typeof createProgram>;

export const program = (): Verb =>
  createProgram(() => {
    throw new Error("The page is written from the help; nothing is run.");
  });

export function cliPage(): string {
  const root = program();
  return page(
    "Command line",
    "the command line's own help",
    "`npx sallyport` in a clone. Exit status: 0 done, 1 refused, 2 misused, 3 unreachable. `--as` and `--json` may stand anywhere; with `--json` the result is JSON on standard output, and a failure JSON on standard error: an `error` with `code`, `message` and `details`, its code one of [errors.md](errors.md), or `misused`, `unreachable`, `internal`; of `exec` the target's SQLSTATE. [config.md](config.md) has the variables.",
    help(root),
    ...root.commands.flatMap((verb) => sections(verb, "sallyport")),
  );
}

function sections(verb: Verb, parent: string, level = 2): string[] {
  const name = `${parent} ${verb.name()}`;
  return [`${"#".repeat(level)} ${code(name)}`, help(verb), ...verb.commands.flatMap((below) => sections(below, name, level + 1))];
}

function help(verb: Verb): string {
  const writer = verb.createHelp();
  writer.prepareContext({ helpWidth: HELP_COLUMNS });
  return `\`\`\`text\n${writer.formatHelp(verb, writer).trim()}\n\`\`\``;
}
