import { randomBytes } from "node:crypto";
import { existsSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { dirname } from "node:path";
import { Client, type ClientConfig } from "pg";
import { fakeShop } from "./fake-people.ts";
import type { PostgresServer } from "./postgres-server.ts";
import { scramVerifier } from "./scram-verifier.ts";

/** The account that the agent logs in with. It owns the tables and is nothing else on the server. */
export const appRole = "sallyport_app";
export const demoDatabase = "customers";

/** Stands as the database's comment once everything is in, so that a second start leaves alone what people did to it. */
const COMPLETE = "Sallyport demo data, version 1";

export interface SeedOptions {
  readonly server: Pick<PostgresServer, "host" | "port" | "superuser">;
  /** Of `appRole`; made with a new password, mode 0600, if it is not there. */
  readonly passwordFile: string;
  /** PEM file of the authority behind the server's certificate, when it has one. */
  readonly caFile?: string;
}

/** Roles, database and rows of the demo. Cut off at any point, the next call completes it. */
export async function seedDemo(options: SeedOptions): Promise<void> {
  const password = demoPassword(options.passwordFile);
  await withClient(options, "postgres", async (client) => {
    const { rowCount } = await client.query("select from pg_roles where rolname = $1", [appRole]);
    if (rowCount === 0) await client.query(`create role ${appRole} login`);
    await client.query(`alter role ${appRole} password '${scramVerifier(password)}'`);
    const { rowCount: databases } = await client.query("select from pg_database where datname = $1", [demoDatabase]);
    if (databases === 0) await client.query(`create database ${demoDatabase} owner ${appRole}`);
  });
  await withClient(options, demoDatabase, async (client) => {
    const { rows } = await client.query<{ comment: string | null }>(
      "select shobj_description(oid, 'pg_database') as comment from pg_database where datname = current_database()",
    );
    if (rows[0]?.comment === COMPLETE) return;
    await client.query("begin");
    await client.query(`set local role ${appRole}`);
    await client.query(readFileSync(new URL("schema.sql", import.meta.url), "utf8"));
    const shop = fakeShop();
    for (const table of ["customers", "products", "payments", "orders"] as const) {
      await client.query(`insert into ${table} select * from json_populate_recordset(null::${table}, $1)`, [JSON.stringify(shop[table])]);
    }
    await client.query(`comment on database ${demoDatabase} is '${COMPLETE}'`);
    await client.query("commit");
  });
}

async function withClient(options: SeedOptions, database: string, run: (client: Client) => Promise<void>): Promise<void> {
  const { host, port, superuser } = options.server;
  const config: ClientConfig = { host, port, database, user: superuser.name, password: readFileSync(superuser.passwordFile, "utf8").trim() };
  const client = new Client(options.caFile === undefined ? config : { ...config, ssl: { ca: readFileSync(options.caFile, "utf8") } });
  await client.connect();
  try {
    await run(client);
  } finally {
    await client.end();
  }
}

function demoPassword(file: string): string {
  if (existsSync(file)) return readFileSync(file, "utf8").trim();
  const password = randomBytes(24).toString("base64url");
  mkdirSync(dirname(file), { recursive: true });
  writeFileSync(file, `${password}\n`, { mode: 0o600, flag: "wx" });
  return password;
}
