import { readFileSync } from "node:fs";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { ServerCredentials } from "@grpc/grpc-js";
import { SallyportError } from "@sallyport/proto/errors";
import { logGrpc } from "@sallyport/proto/grpc-log";
import pino from "pino";
import { makeDataDir } from "./data-dir.ts";
import { tlsCredentials } from "./grpc/listen.ts";
import { isRecordStream } from "./domain/record-streams.ts";
import type { Access } from "./ledger/endpoint/access.ts";
import { readTls, startLedgerEndpoint } from "./ledger/endpoint/endpoint.ts";
import { fileAccess, openAccess } from "./ledger/endpoint/file-access.ts";
import { openSqliteLedger } from "./ledger/sqlite/sqlite-ledger.ts";
import { onStopSignals } from "./stop-signals.ts";

/**
 * The embedded ledger as a process of its own: a single node, for development, tests and small set-ups. Started by `sallyport ledger
 * serve`; everything is made here, and taken down in the opposite order.
 */
async function serve(): Promise<() => Promise<void>> {
  const values = reading("The command line", options);
  const { data, host, "tls-cert": cert, "tls-key": key } = values;
  if (data === undefined) throw new SallyportError("config.invalid", "--data names the directory of the ledger.");
  const port = Number(values.port);
  if (!Number.isInteger(port) || port < 0 || port > 65_535) throw new SallyportError("config.invalid", "--port is not a port.");
  if ((cert === undefined) !== (key === undefined)) throw new SallyportError("config.invalid", "--tls-cert and --tls-key are given together.");
  const tls = cert === undefined || key === undefined ? undefined : reading("The certificate or its key", () => readTls(cert, key));
  const credentials = tls === undefined ? ServerCredentials.createInsecure() : tlsCredentials(tls);
  const access = accessOf(values.credentials, tls !== undefined, host);
  const log = pino({ name: "ledger" });
  logGrpc(log);
  makeDataDir(data, "--data");
  const ledger = await openSqliteLedger(join(data, "ledger.db"));
  const endpoint = await startLedgerEndpoint({ ledger, access, log, host, port, credentials, isOurs: isRecordStream }).catch(async (error: unknown) => {
    await ledger.close();
    throw error;
  });
  log.info({ port: endpoint.port, host, tls: tls !== undefined, dataDir: data }, "ledger ready");
  return async () => {
    await endpoint.close();
    await ledger.close();
  };
}

const options = () =>
  parseArgs({
    options: {
      "data": { type: "string" },
      "host": { type: "string", default: "127.0.0.1" },
      "port": { type: "string", default: "2113" },
      "tls-cert": { type: "string" },
      "tls-key": { type: "string" },
      "credentials": { type: "string" },
    },
  }).values;

/** Whoever can connect can write, unless a file says who may: so without that file only this machine can connect. */
function accessOf(credentialsFile: string | undefined, tls: boolean, host: string): Access {
  if (credentialsFile !== undefined) {
    if (!tls) throw new SallyportError("config.invalid", "--credentials needs --tls-cert: clients send no passwords in clear.");
    return reading("The credentials file", () => fileAccess(readFileSync(credentialsFile, "utf8")));
  }
  if (!["127.0.0.1", "::1", "localhost"].includes(host)) {
    throw new SallyportError("config.invalid", "Without --credentials the ledger listens on this machine only.");
  }
  return openAccess;
}

function reading<Result>(what: string, read: () => Result): Result {
  try {
    return read();
  } catch (error) {
    if (error instanceof SallyportError) throw error;
    throw new SallyportError("config.invalid", `${what} cannot be read: ${error instanceof Error ? error.message : String(error)}.`, {}, error);
  }
}

try {
  const stop = await serve();
  onStopSignals(process, {
    stop: () =>
      void stop().then(
        () => process.exit(0),
        (error: unknown) => {
          process.stderr.write(`${String(error)}\n`);
          process.exit(1);
        },
      ),
    cut: () => process.exit(1),
  });
} catch (error) {
  const known = SallyportError.from(error);
  const cause = known.code === "internal" && known.cause instanceof Error ? `\n${known.cause.stack ?? ""}` : "";
  process.stderr.write(`${known.code}: ${known.message}${cause}\n`);
  process.exit(known.code === "config.invalid" ? 2 : 1);
}
