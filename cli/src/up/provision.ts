import { spawn } from "node:child_process";
import { existsSync, mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { SallyportError } from "@sallyport/proto/errors";
import { type ApiClient, connectApi } from "../api-client.ts";
import { readPolicy } from "../policy/read-policy.ts";
import { type Profile, readToken } from "../profile.ts";

const TOKEN_SECONDS = 86_400;
const JOIN_SECONDS = 600;

/** The person exists and their token works; a token that does not work any more is replaced. */
export async function ensurePerson(api: ApiClient, directory: string, reach: Omit<Profile, "tokenFile">, groups: string[]): Promise<Profile> {
  const profile: Profile = { ...reach, tokenFile: join(directory, "profiles", `${reach.identity}.token`) };
  if (existsSync(profile.tokenFile) && (await works(profile))) return profile;
  await api.identities.putIdentity({ id: profile.identity, kind: "human", groups });
  const { token } = await api.identities.createToken({
    identityId: profile.identity,
    ttlSeconds: TOKEN_SECONDS,
    note: "sallyport up",
  });
  mkdirSync(join(directory, "profiles"), { recursive: true, mode: 0o700 });
  writeFileSync(profile.tokenFile, `${token}\n`, { mode: 0o600 });
  return profile;
}

async function works(profile: Profile): Promise<boolean> {
  const own = connectApi(profile, readToken(profile));
  try {
    await own.identities.getSelf({});
    return true;
  } catch (error) {
    if (error instanceof SallyportError) return false;
    throw error;
  } finally {
    own.close();
  }
}

/** The starter policy, unless somebody has published one. */
export async function ensurePolicy(api: ApiClient, path: string): Promise<void> {
  const { version } = await api.policies.getPolicy({});
  if (version !== "") return;
  await api.policies.publishPolicy({ files: readPolicy(path), reason: "The starter policy." });
}

/** `sallyport agent join -`, as an operator would on the agent's machine; the token goes through standard input. */
export async function joinAgent(api: ApiClient, agentName: string, env: NodeJS.ProcessEnv): Promise<void> {
  const { joinToken } = await api.agents.createJoinToken({ agentName, ttlSeconds: JOIN_SECONDS });
  const cli = fileURLToPath(new URL("../main.ts", import.meta.url));
  const child = spawn(process.execPath, ["--disable-warning=ExperimentalWarning", cli, "agent", "join", "-"], { env, stdio: ["pipe", "ignore", "pipe"] });
  let complaint = "";
  child.stderr.on("data", (text: Buffer) => (complaint += text.toString("utf8")));
  child.stdin.end(joinToken);
  const status = await new Promise<number | null>((resolve, reject) => child.on("error", reject).on("close", resolve));
  if (status !== 0) throw new Error(`The agent could not join: ${complaint.trim()}`);
}
