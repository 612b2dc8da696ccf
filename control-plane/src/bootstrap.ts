import { existsSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { dirname } from "node:path";
import { SallyportError } from "@sallyport/proto/errors";
import type { Logger } from "pino";
import type { CommandContext, Identities } from "./application/ports.ts";
import { isNewer } from "./domain/catalogue.ts";

/** Whom the operator of the machine gets in as. */
export const BOOTSTRAP_IDENTITY = "admin";
/** Long enough to set things up, short enough that a forgotten file is soon worth nothing. */
const BOOTSTRAP_TTL_SECONDS = 86_400;
/** A token about to expire is no way in. */
const MIN_LEFT_MILLIS = 3_600_000;

/**
 * The way in: an administrator whose token is in a file that only its owner can read. On an empty ledger always; with
 * `always` also whenever that token works no more, for set-ups whose owner owns the data directory anyway.
 */
export async function bootstrap(identities: Identities, tokenFile: string, when: "first" | "always", context: CommandContext, log: Logger): Promise<void> {
  const empty = identities.list().length === 0;
  if (!empty && (when === "first" || (await works(identities, tokenFile)))) return;
  try {
    await writeToken(identities, tokenFile, context, log);
  } catch (error) {
    if (!isNewer(error)) throw error;
    // The others are served all the same.
    log.warn({ code: error.code, ...error.details, why: error.message }, "the administrator of the token file is out of use");
  }
}

async function writeToken(identities: Identities, tokenFile: string, context: CommandContext, log: Logger): Promise<void> {
  await identities.put({ id: BOOTSTRAP_IDENTITY, kind: "human", groups: ["admins"] }, context);
  const { token, expiresAt } = await identities.issueToken(BOOTSTRAP_IDENTITY, BOOTSTRAP_TTL_SECONDS, "bootstrap", context);
  mkdirSync(dirname(tokenFile), { recursive: true, mode: 0o700 });
  writeFileSync(tokenFile, `${token}\n`, { mode: 0o600 });
  log.info({ tokenFile, expiresAt }, "an administrator's token was written to a file");
}

async function works(identities: Identities, tokenFile: string): Promise<boolean> {
  if (!existsSync(tokenFile)) return false;
  try {
    const { expiresAt } = await identities.authenticate(readFileSync(tokenFile, "utf8").trim(), "bootstrap", BOOTSTRAP_IDENTITY);
    return expiresAt.getTime() - Date.now() > MIN_LEFT_MILLIS;
  } catch (error) {
    if (error instanceof SallyportError) return false;
    throw error;
  }
}
