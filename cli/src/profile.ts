import { existsSync, readFileSync } from "node:fs";
import { homedir } from "node:os";
import { dirname, join, resolve } from "node:path";
import { Misuse } from "./exit-status.ts";

/** How one identity reaches one control plane. The token is in a file of its own, readable by its owner only. */
export interface Profile {
  readonly identity: string;
  readonly apiAddress: string;
  readonly postgresAddress: string;
  readonly caFile: string;
  readonly tokenFile: string;
}

/** The nearest `.sallyport` from here upwards, as git looks for its own; else the one in the home directory. */
export function stateDirectory(env: NodeJS.ProcessEnv, from: string): string {
  const named = env["SALLYPORT_CLI_DIR"];
  if (named !== undefined && named !== "") return resolve(named);
  for (let dir = resolve(from); ; dir = dirname(dir)) {
    if (existsSync(join(dir, ".sallyport"))) return join(dir, ".sallyport");
    if (dir === dirname(dir)) return join(homedir(), ".sallyport");
  }
}

export const profileFile = (stateDir: string, name: string): string => join(stateDir, "profiles", `${name}.json`);

export function loadProfile(stateDir: string, name: string): Profile {
  if (!/^[\w.@-]+$/.test(name)) throw new Misuse(`"${name}" is not the name of a profile.`);
  const file = profileFile(stateDir, name);
  if (!existsSync(file)) throw new Misuse(`There is no profile "${name}" (${file}). \`sallyport up\` makes some; --as NAME chooses one.`);
  const parsed = parse(file);
  const { identity, apiAddress, postgresAddress, caFile, tokenFile } = parsed;
  if (identity === undefined || apiAddress === undefined || postgresAddress === undefined || caFile === undefined || tokenFile === undefined) {
    throw new Misuse(`The profile ${file} is incomplete: identity, apiAddress, postgresAddress, caFile and tokenFile are needed.`);
  }
  const beside = (path: string): string => resolve(dirname(file), path);
  return { identity, apiAddress, postgresAddress, caFile: beside(caFile), tokenFile: beside(tokenFile) };
}

function parse(file: string): Partial<Profile> {
  try {
    return JSON.parse(readFileSync(file, "utf8")) as Partial<Profile>;
  } catch (error) {
    throw new Misuse(`The profile ${file} cannot be read: ${error instanceof Error ? error.message : String(error)}.`);
  }
}

export const readToken = (profile: Profile): string => readFileSync(profile.tokenFile, "utf8").trim();
