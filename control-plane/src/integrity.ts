import { join } from "node:path";
import { SallyportError } from "@sallyport/proto/errors";
import type { Logger } from "pino";
import { z } from "zod";
import type { Clock } from "./application/ports.ts";
import { createIntegrityRecord } from "./application/integrity-record.ts";
import { logSetAside, ownRecord } from "./application/own-record.ts";
import { type Config, listed } from "./config.ts";
import type { IntegrityCommand } from "./domain/integrity/integrity.decider.ts";
import { schemas } from "./domain/schemas.ts";
import { AuditLog } from "./ledger/integrity/audit-log.ts";
import { Checkpointer } from "./ledger/integrity/checkpointer.ts";
import { LeavesThread } from "./ledger/integrity/leaves-thread.ts";
import { openKeyCommand, openKeyFile, type SigningKey } from "./ledger/integrity/signing-key.ts";
import { SignedLog } from "./ledger/integrity/signed-log.ts";
import type { Witness } from "./ledger/integrity/witness.ts";
import { lastWitnessed, witnessFile } from "./ledger/integrity/witness-file.ts";
import { witnessGit } from "./ledger/integrity/witness-git.ts";
import { witnessHttp } from "./ledger/integrity/witness-http.ts";
import type { Ledger } from "./ledger/ledger.ts";
import type { EventSealer } from "./sealing/event-sealer.ts";
import type { LedgerPlace } from "./ledger/ledger-place.ts";

export interface IntegrityDeps {
  readonly config: Config;
  /** As it is stored. */
  readonly ledger: Ledger;
  readonly sealer: EventSealer;
  /** Where that is, for the thread that hashes it. */
  readonly place: LedgerPlace;
  readonly clock: Clock;
  readonly log: Logger;
}

/** The checkpointer and what auditors have of it, as configured. Fails with `ledger.corrupt` when the ledger is not what was signed. */
export async function startIntegrity({ config, ledger, sealer, place, clock, log }: IntegrityDeps): Promise<{
  readonly audit: AuditLog;
  readonly proven: SignedLog;
  close(): Promise<void>;
}> {
  const { settings, dataDir } = config;
  const folder = join(dataDir, "integrity");
  const key = settings.SALLYPORT_SIGNING_KEY === "" ? await openKeyFile(join(folder, "signing.key")) : await openKey(settings.SALLYPORT_SIGNING_KEY);
  const previousKey = settings.SALLYPORT_SIGNING_KEY_PREVIOUS === "" ? undefined : await openKey(settings.SALLYPORT_SIGNING_KEY_PREVIOUS);
  const files = [join(folder, "checkpoints.jsonl"), ...listed(settings.SALLYPORT_WITNESS_FILES)];
  const witnesses: readonly Witness[] = [
    ...files.map((file) => witnessFile(file)),
    ...listed(settings.SALLYPORT_WITNESS_URLS).map((url) => witnessHttp(requireUrl(url))),
    ...listed(settings.SALLYPORT_WITNESS_GIT).map((clone) => witnessGit(clone)),
  ];
  const own = ownRecord(ledger, logSetAside(log));
  const record = createIntegrityRecord({ ledger: own, clock, nodeId: settings.SALLYPORT_NODE_ID });
  const checkpointer = await Checkpointer.start({
    ledger: own,
    leaves: new LeavesThread({ ledger: place }, log),
    folder,
    key,
    previousKey,
    witnesses,
    witnessed: files.map(lastWitnessed).filter((last) => last !== undefined),
    record: (type, data) => record({ type: type === "CheckpointSigned" ? "SignCheckpoint" : "RotateSigningKey", ...data } as IntegrityCommand),
    now: () => clock.now(),
    log,
  });
  const jsonSchemas = Object.fromEntries(Object.entries(schemas).map(([type, schema]) => [type, z.toJSONSchema(schema)]));
  const audit = new AuditLog({ ledger, own, checkpointer, schemas: jsonSchemas, now: () => clock.now(), keysIn: (event) => sealer.keysIn(event) });
  return { audit, proven: new SignedLog(own, checkpointer), close: () => checkpointer.close() };
}

/** A path, or a program after `command:`. */
function openKey(setting: string): Promise<SigningKey> {
  const [, command] = /^command:(.+)$/u.exec(setting) ?? [];
  return command === undefined ? openKeyFile(setting) : openKeyCommand(command);
}

function requireUrl(url: string): string {
  if (URL.canParse(url) && /^https?:$/u.test(new URL(url).protocol)) return url;
  throw new SallyportError("config.invalid", `"${url}" is not the URL of a witness.`, { setting: "SALLYPORT_WITNESS_URLS" });
}
