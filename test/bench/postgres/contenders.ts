import { spawn, execFileSync } from "node:child_process";
import { existsSync, mkdtempSync, writeFileSync, chownSync } from "node:fs";
import { once } from "node:events";
import { connect } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { setTimeout as pause } from "node:timers/promises";
import type { Cleanup } from "../../support/cleanup.ts";
import { atEnd } from "../../support/cleanup.ts";
import { freePort } from "../../support/free-port.ts";
import { TestProcess } from "../../support/process.ts";
import type { Stack } from "../../support/stack.ts";

/** One way to the same database. `pids`: the processes between client and server by name, whose CPU time is counted. */
export interface Contender {
  readonly name: string;
  readonly env: Readonly<Record<string, string>>;
  readonly pids: Readonly<Record<string, number>>;
  /** On which of the ways between the processes there is TLS. */
  readonly tls: string;
}

const plainHopMain = fileURLToPath(new URL("plain-hop.ts", import.meta.url));
const PGBOUNCER = "/usr/sbin/pgbouncer";

/** Debian's pgbouncer in session mode, with TLS towards its clients as the gateway has; undefined where it is not installed. */
export async function startPgbouncer(cleanup: Cleanup, stack: Stack): Promise<Contender | undefined> {
  if (!existsSync(PGBOUNCER)) return undefined;
  const { PGHOST, PGPORT, PGUSER = "", PGDATABASE = "", PGPASSWORD = "" } = stack.directEnv();
  const port = await freePort();
  const dir = mkdtempSync(join(tmpdir(), "sallyport-pgbouncer-"));
  const config = join(dir, "pgbouncer.ini");
  const certificate = ["-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "2", "-subj", "/CN=localhost"];
  execFileSync("openssl", ["req", ...certificate, "-keyout", join(dir, "tls.key"), "-out", join(dir, "tls.crt")], { stdio: "ignore" });
  writeFileSync(join(dir, "users.txt"), `"${PGUSER}" "${PGPASSWORD}"\n`);
  writeFileSync(
    config,
    `[databases]
${PGDATABASE} = host=${PGHOST} port=${PGPORT} user=${PGUSER} password=${PGPASSWORD} dbname=${PGDATABASE}
[pgbouncer]
listen_addr = 127.0.0.1
listen_port = ${port}
unix_socket_dir =
auth_type = scram-sha-256
auth_file = ${join(dir, "users.txt")}
pool_mode = session
default_pool_size = 64
client_tls_sslmode = require
client_tls_key_file = ${join(dir, "tls.key")}
client_tls_cert_file = ${join(dir, "tls.crt")}
ignore_startup_parameters = extra_float_digits
`,
  );
  // It refuses to run as root.
  const uid = process.getuid?.() === 0 ? Number(execFileSync("id", ["-u", "nobody"], { encoding: "utf8" })) : undefined;
  if (uid !== undefined) for (const file of ["", "tls.key", "tls.crt", "users.txt", "pgbouncer.ini"]) chownSync(join(dir, file), uid, uid);
  const child = spawn(PGBOUNCER, [config], { stdio: "ignore", ...(uid === undefined ? {} : { uid }) });
  atEnd(cleanup, () => void child.kill());
  for (let tries = 0; !(await accepts(port)); tries++) {
    if (tries === 50 || child.exitCode !== null) throw new Error("pgbouncer did not start.");
    await pause(100);
  }
  return {
    name: "pgbouncer",
    pids: { pgbouncer: child.pid ?? 0 },
    tls: "to the client",
    env: { PGHOST: "127.0.0.1", PGPORT: String(port), PGUSER, PGDATABASE, PGPASSWORD, PGSSLMODE: "require" },
  };
}

/** Two processes in a row, as a gateway and an agent are, that do nothing but carry bytes. */
export async function startPlainHops(cleanup: Cleanup, stack: Stack): Promise<Contender> {
  const { PGHOST = "", PGPORT = "", ...login } = stack.directEnv();
  const inner = await plainHop(cleanup, PGHOST, PGPORT);
  const outer = await plainHop(cleanup, "127.0.0.1", inner.port);
  return {
    name: "two plain TCP hops",
    pids: { outer: outer.pid, inner: inner.pid },
    tls: "none",
    env: { ...login, PGHOST: "127.0.0.1", PGPORT: outer.port },
  };
}

async function plainHop(cleanup: Cleanup, host: string, port: string): Promise<{ readonly pid: number; readonly port: string }> {
  const hop = TestProcess.node(cleanup, plainHopMain, [host, port], { env: { NODE_OPTIONS: "--max-semi-space-size=64" } });
  return { port: await hop.line(/^\d+$/u), pid: hop.pid };
}

async function accepts(port: number): Promise<boolean> {
  const socket = connect(port, "127.0.0.1");
  try {
    await once(socket, "connect");
    return true;
  } catch {
    return false;
  } finally {
    socket.destroy();
  }
}
