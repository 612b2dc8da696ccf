import { randomBytes } from "node:crypto";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { env } from "node:process";
import { describe } from "node:test";
import { debianPostgres, embeddedPostgres, type PostgresBinaries } from "@sallyport/deploy/demo/postgres-binaries";
import { type PostgresServer, startPostgres } from "@sallyport/deploy/demo/postgres-server";
import { Client, type ClientConfig } from "pg";
import { type TestCertificate, testCertificate } from "./certificate.ts";
import { atEnd, type Cleanup } from "./cleanup.ts";
import { placeCluster } from "./postgres-cluster.ts";
import { LOG_LINE_PREFIX, ServerLog } from "./server-log.ts";
import { tempDir } from "./temp-dir.ts";

/** Two majors, built by different people: what holds on both is PostgreSQL, not a build of it. */
export type Flavour = "embedded18" | "debian15";
export type TargetAuth = "scram-sha-256" | "md5" | "password" | "trust";

export interface TestPostgresOptions {
  readonly flavour?: Flavour;
  /** How the `app` role logs in. The superuser always uses SCRAM. */
  readonly auth?: TargetAuth;
  /** Off by default. On: TLS only, with a certificate for localhost and 127.0.0.1, or for these names. */
  readonly tls?: boolean | readonly string[];
  readonly settings?: Readonly<Record<string, string>>;
}

export interface TestPostgres extends PostgresServer {
  /** Owns the database `app`. The password is empty with `trust`. */
  readonly app: { readonly user: "app"; readonly password: string; readonly database: "app" };
  readonly certificate: TestCertificate | undefined;
  /** Every statement is in it (`log_statement=all`), with its parameters. */
  readonly log: ServerLog;
  /** A superuser's connection, closed after the test. */
  connectAsSuperuser(database?: string): Promise<Client>;
  connectAsApp(): Promise<Client>;
}

/** Run once more with this set to `debian15`, and every suite that does not name its target has that one. */
export const TARGET_VARIABLE = "SALLYPORT_TEST_TARGET";

export const chosenFlavour = (): Flavour | undefined => {
  const chosen = env[TARGET_VARIABLE];
  if (chosen === undefined || chosen === "") return undefined;
  if (chosen !== "embedded18" && chosen !== "debian15") throw new Error(`${TARGET_VARIABLE} is embedded18 or debian15, not ${chosen}.`);
  return chosen;
};

/** A suite for each flavour; for the chosen one alone when there is one. */
export function describeOnEach(name: string, suite: (flavour: Flavour) => void): void {
  const chosen = chosenFlavour();
  for (const flavour of chosen === undefined ? (["embedded18", "debian15"] as const) : [chosen])
    describe(`${name} (${flavour})`, { skip: skipWithout(flavour) }, () => suite(flavour));
}

/** Why a flavour cannot be used here, as node:test's `skip` takes it. In CI nothing may be missing, so it is never skipped there. */
export function skipWithout(flavour: Flavour): string | false {
  if (env["CI"] !== undefined || flavour === "embedded18" || debianPostgres(15) !== undefined) return false;
  return "PostgreSQL 15 of Debian is not installed";
}

/** A server of its own in a folder of its own, gone after the test. Nothing in it survives a power cut. */
export async function startTestPostgres(cleanup: Cleanup, options: TestPostgresOptions = {}): Promise<TestPostgres> {
  const folder = tempDir(cleanup, "postgres");
  const auth = options.auth ?? "scram-sha-256";
  const names = options.tls === true ? ["localhost", "127.0.0.1"] : options.tls === false ? undefined : options.tls;
  const certificate = names === undefined ? undefined : await testCertificate(folder, names);
  const connection = certificate === undefined ? "host" : "hostssl";
  const directory = join(folder, "server");
  const server = await startPostgres({
    directory,
    binaries: await placeCluster(directory, binaries(options.flavour ?? chosenFlavour() ?? "embedded18")),
    hba: [`${connection} all postgres 127.0.0.1/32 scram-sha-256`, `${connection} all all 127.0.0.1/32 ${auth}`],
    settings: { fsync: "off", log_statement: "all", log_line_prefix: LOG_LINE_PREFIX, max_connections: "200", ...options.settings },
    ...(certificate === undefined ? {} : { tls: certificate }),
  });
  atEnd(cleanup, () => server.stop());

  const password = auth === "trust" ? "" : randomBytes(12).toString("hex");
  const connect = async (user: Pick<ClientConfig, "user" | "password" | "database">): Promise<Client> => {
    const tls = certificate === undefined ? {} : { ssl: { ca: readFileSync(certificate.caFile, "utf8"), servername: names?.[0] } };
    const client = new Client({ host: server.host, port: server.port, ...user, ...tls });
    await client.connect();
    // The server may be stopped, or killed, before the client is: that is not an error of the test.
    client.on("error", () => undefined);
    atEnd(cleanup, () => client.end());
    return client;
  };
  const connectAsSuperuser = (database = "postgres"): Promise<Client> =>
    connect({ user: server.superuser.name, password: readFileSync(server.superuser.passwordFile, "utf8"), database });

  const admin = await connectAsSuperuser();
  await admin.query(`set password_encryption = '${auth === "md5" ? "md5" : "scram-sha-256"}'`);
  await admin.query(`create role app login password '${password}'`);
  await admin.query("create database app owner app");
  await admin.end();
  return {
    ...server,
    app: { user: "app", password, database: "app" },
    certificate,
    log: new ServerLog(server.logFile),
    connectAsSuperuser,
    connectAsApp: () => connect({ user: "app", password, database: "app" }),
  };
}

function binaries(flavour: Flavour): PostgresBinaries {
  if (flavour === "embedded18") return embeddedPostgres();
  const debian = debianPostgres(15);
  if (debian === undefined) throw new Error("PostgreSQL 15 of Debian is not installed.");
  return debian;
}
