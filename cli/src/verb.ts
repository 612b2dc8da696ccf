import { type Command, InvalidArgumentError } from "commander";
import { type ApiClient, connectApi } from "./api-client.ts";
import { type ExitStatus, exitStatus, Misuse } from "./exit-status.ts";
import { explain, failureOf, statusOf } from "./failure.ts";
import { type Io, terminal, toJson } from "./io.ts";
import { printableLines } from "./table.ts";
import { loadProfile, type Profile, stateDirectory } from "./profile.ts";

/** What each verb is given. */
export interface Verb {
  readonly io: Io;
  readonly stateDir: string;
  profile(): Profile;
  api(): ApiClient;
}

interface GlobalOptions {
  readonly as?: string;
  readonly json?: boolean;
}

const DEFAULT_PROFILE = "default";

/** Runs a verb; every failure is told once, here, and becomes an exit status. */
export async function runVerb(command: Command, run: (verb: Verb) => Promise<ExitStatus | void>): Promise<void> {
  const options = command.optsWithGlobals<GlobalOptions>();
  const io = terminal(options.json === true);
  const stateDir = stateDirectory(process.env, process.cwd());
  let client: ApiClient | undefined;
  let leftOut = "";
  const api = (): ApiClient => (client ??= connectApi(profile(), undefined, (what) => (leftOut = what)));
  const profile = (): Profile => {
    const name = options.as ?? process.env["SALLYPORT_CLI_AS"] ?? DEFAULT_PROFILE;
    return loadProfile(stateDir, name);
  };
  try {
    process.exitCode = (await run({ io, stateDir, profile, api })) ?? exitStatus.done;
    if (leftOut !== "") io.err(leftOutLine(leftOut));
  } catch (error) {
    io.err(io.json ? toJson({ error: failureOf(error) }) : printableLines(explain(error)).join("\n"));
    // What was not found may be among it. Under --json what is on the standard error of a failure is one value, too.
    if (leftOut !== "" && !io.json) io.err(leftOutLine(leftOut));
    process.exitCode = statusOf(error);
  } finally {
    client?.close();
  }
}

/** Also under `--json`: on the standard error, so that what is read from the other stays one value. */
const leftOutLine = (leftOut: string): string =>
  `This is not the whole: a later release wrote into the record what this control plane cannot read (${leftOut}). Upgrade it; its log names the places.`;

/** `90s`, `15m`, `8h`, `7d`. */
export function parseDuration(text: string): number {
  const [, number, unit] = /^(\d{1,6})([smhd])$/.exec(text) ?? [];
  const seconds = { s: 1, m: 60, h: 3_600, d: 86_400 }[unit ?? ""];
  if (number === undefined || seconds === undefined) throw new Misuse(`"${text}" is not a duration such as 90s, 15m, 8h or 7d.`);
  return Number(number) * seconds;
}

/** Of an option whose value must say something. */
export function nonBlank(text: string): string {
  if (text.trim() === "") throw new InvalidArgumentError("It must not be empty.");
  return text;
}
