import { chmodSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { after } from "node:test";
import { debianPostgres, embeddedPostgres } from "@sallyport/deploy/demo/postgres-binaries";
import { type PostgresServer, startPostgres } from "@sallyport/deploy/demo/postgres-server";
import { ForwardingTally } from "../../edge-agent/src/attestation/forwarding-tally.ts";
import type { Timeouts } from "../../edge-agent/src/targets/postgres/connect.ts";
import { HeldBytes } from "../../edge-agent/src/targets/held-bytes.ts";
import { PostgresTarget } from "../../edge-agent/src/targets/postgres/postgres-target.ts";
import { type PostgresResource, postgresResourceSchema } from "../../edge-agent/src/targets/postgres/resource.ts";
import type { Open, Opened } from "@sallyport/proto/gen/sallyport/tunnel/v1/tunnel";
import type { CloseReason } from "@sallyport/proto/tunnel/channel";
import { Client } from "pg";
import { pino } from "pino";
import { testCertificate, type TestCertificate } from "../support/certificate.ts";
import { atEnd, type Cleanup } from "../support/cleanup.ts";
import type { Flavour } from "../support/postgres-server.ts";
import { tempDir } from "../support/temp-dir.ts";
import { collectMessages, MemoryChannel, openOf } from "./postgres-target-channel.ts";

/** Also in every log line that these tests look through. */
export const PASSWORD = "hunter2-\u00aa";
export const methods = ["trust", "password", "md5", "scram-sha-256"] as const;

export interface TargetServer extends PostgresServer {
  readonly certificate: TestCertificate;
  readonly admin: Client;
  readonly folder: string;
  readonly socketDirectory: string;
  /** File with the password of every role. */
  readonly passwordFile: string;
}

/** To be called in the body of a suite: what is registered later, in its hooks, still runs at its end. */
export function suiteCleanup(): Cleanup {
  const steps: (() => Promise<void>)[] = [];
  after(async () => {
    for (const step of steps) await step();
  });
  return { after: (step) => void steps.push(step) };
}

/** One server on which the role `by_<method>` logs in by that method, with and without TLS. */
export async function startTargetServer(cleanup: Cleanup, flavour: Flavour = "embedded18"): Promise<TargetServer> {
  const folder = tempDir(cleanup, "postgres-target");
  // Not for 127.0.0.1, so that the right server can be reached under a wrong name.
  const certificate = await testCertificate(folder, ["localhost"]);
  const binaries = flavour === "debian15" ? debianPostgres(15) : embeddedPostgres();
  if (binaries === undefined) throw new Error("PostgreSQL 15 of Debian is not installed.");
  const socketDirectory = tempDir(cleanup, "socket");
  chmodSync(socketDirectory, 0o777); // the server runs as somebody else
  const server = await startPostgres({
    directory: join(folder, "server"),
    binaries,
    hba: [
      "local all all trust",
      "host all postgres 127.0.0.1/32 scram-sha-256",
      ...methods.map((method) => `host all by_${method.split("-")[0]} 127.0.0.1/32 ${method}`),
    ],
    settings: { fsync: "off", unix_socket_directories: socketDirectory },
    tls: certificate,
  });
  atEnd(cleanup, () => server.stop());
  const admin = new Client({
    host: server.host,
    port: server.port,
    user: server.superuser.name,
    password: readFileSync(server.superuser.passwordFile, "utf8"),
    database: "postgres",
  });
  await admin.connect();
  admin.on("error", () => undefined);
  atEnd(cleanup, () => admin.end());
  for (const method of methods) {
    await admin.query(`set password_encryption = '${method === "md5" ? "md5" : "scram-sha-256"}'`);
    await admin.query(`create role by_${method.split("-")[0]} login password '${PASSWORD}'`);
  }
  const passwordFile = join(folder, "password");
  writeFileSync(passwordFile, `${PASSWORD}\n`);
  return { ...server, certificate, admin, folder, socketDirectory, passwordFile };
}

/** A resource as the configuration file would give it, over plaintext unless `more` says otherwise. */
export const resourceOf = (at: { readonly host: string; readonly port: number }, more: Record<string, unknown> = {}): PostgresResource =>
  postgresResourceSchema.parse({
    name: "customers",
    protocol: "postgres",
    host: at.host,
    port: at.port,
    database: "postgres",
    user: "by_trust",
    tls: { mode: "disable" },
    ...more,
  });

export const timeouts: Timeouts = { connectTimeoutMs: 5_000, loginTimeoutMs: 10_000, closeTimeoutMs: 5_000 };

interface SessionOptions {
  readonly open?: Partial<Open>;
  readonly channel?: MemoryChannel;
  readonly timeouts?: Partial<Timeouts>;
  readonly tally?: ForwardingTally;
  /** One of its own unless given. */
  readonly target?: PostgresTarget;
}

interface Started {
  readonly channel: MemoryChannel;
  readonly logged: string[];
}

/** Opens a session. `logged` are the agent's log lines. */
export function startSession(resource: PostgresResource, options: SessionOptions = {}): Started {
  const logged: string[] = [];
  const log = pino({ level: "debug" }, { write: (line: string) => void logged.push(line) });
  const target =
    options.target ??
    new PostgresTarget(resource, {
      log,
      timeouts: { ...timeouts, ...options.timeouts },
      maskKey: Buffer.alloc(32),
      heldBytes: new HeldBytes(Infinity),
    });
  const channel = options.channel ?? new MemoryChannel();
  channel.attach(target.open(openOf(resource.name, options.open), channel, options.tally ?? new ForwardingTally(() => {})));
  return { channel, logged };
}

/** Opens a session and waits for the end of its login. */
export async function openSession(resource: PostgresResource, options: SessionOptions = {}): Promise<Started & { readonly outcome: Opened | CloseReason }> {
  const started = startSession(resource, options);
  return { ...started, outcome: await started.channel.settled() };
}

/** The same, where there is no doubt that it opens. `messages` grows with what the client receives. */
export async function openedSession(
  resource: PostgresResource,
  options: SessionOptions = {},
): Promise<{ readonly channel: MemoryChannel; readonly messages: string[] }> {
  const { channel, outcome } = await openSession(resource, options);
  if ("code" in outcome) throw new Error(`${outcome.code}: ${outcome.message}`);
  return { channel, messages: collectMessages(channel) };
}
