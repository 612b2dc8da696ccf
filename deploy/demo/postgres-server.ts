import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { closeSync, constants, existsSync, openSync, readFileSync, statSync } from "node:fs";
import { join } from "node:path";
import { pid as ownPid } from "node:process";
import { freePort } from "./free-port.ts";
import { stopLeftover } from "./leftover-server.ts";
import { awaitLogLine } from "./log-lines.ts";
import { embeddedPostgres, type PostgresBinaries } from "./postgres-binaries.ts";
import { serverEnvironment } from "./run-program.ts";
import { ServerDirectory, superuserName } from "./server-directory.ts";
import { type ServerUser, serverUser } from "./server-user.ts";

export interface PostgresOptions {
  /** Everything of this server: data, password, log. Made if it is not there; kept when the server stops. */
  readonly directory: string;
  readonly binaries?: PostgresBinaries;
  /** Absent: a free one, another at each start. */
  readonly port?: number;
  /** PEM files. With them, only TLS connections are accepted, unless `hba` says otherwise. */
  readonly tls?: { readonly certFile: string; readonly keyFile: string };
  /** Lines of pg_hba.conf. Absent: everybody from this machine, by SCRAM. */
  readonly hba?: readonly string[];
  /** Lines of postgresql.conf; nothing secret, they are seen in the process list. */
  readonly settings?: Readonly<Record<string, string>>;
}

export interface PostgresServer {
  readonly host: "127.0.0.1";
  readonly port: number;
  readonly pid: number;
  readonly superuser: { readonly name: string; readonly passwordFile: string };
  /** Where the files really are: `options.directory`, or what that links to. */
  readonly directory: string;
  /** Standard error of the server, all starts of this folder one after the other. */
  readonly logFile: string;
  /** Resolves when the server is gone, whoever ended it. */
  readonly exited: Promise<void>;
  /** Ends sessions and the server, with everything on disk. Safe to call twice. */
  stop(): Promise<void>;
}

/** Crash recovery after `kill -9` takes seconds; a start that takes longer is stuck. */
export const START_MS = 60_000;
/** Clients are cut off at once in a fast shutdown; what is left is one checkpoint. */
export const FAST_STOP_MS = 10_000;
/** Immediate shutdown writes nothing. */
export const IMMEDIATE_STOP_MS = 5_000;
/** Somebody may take the free port between its choice and its use. */
const PORT_ATTEMPTS = 5;

/**
 * A real PostgreSQL as a child of this process. It listens on 127.0.0.1 only, on no Unix socket.
 *
 * P1. It never runs as root: root starts it as `postgres` or `nobody`.
 * P2. It is told to stop when this process ends; on Linux the kernel tells it, even after `kill -9`.
 * P3. It is in a session of its own: Ctrl-C in the terminal reaches us, and we decide when it stops.
 */
export async function startPostgres(options: PostgresOptions): Promise<PostgresServer> {
  const directory = ServerDirectory.open(options.directory, serverUser());
  const binDir = await directory.binDir(options.binaries ?? embeddedPostgres());
  await stopLeftover(directory, binDir);
  await directory.initialise(binDir);
  directory.write(join(directory.data, "pg_hba.conf"), `${(options.hba ?? defaultHba(options)).join("\n")}\n`);
  directory.write(directory.ownerFile, String(ownPid));
  if (!existsSync(directory.log)) directory.write(directory.log, "");

  for (let attempt = 1; ; attempt++) {
    const port = options.port ?? (await freePort());
    const child = spawnServer(directory, binDir, port, options);
    try {
      await ready(child, directory.log);
      return handle(child, port, directory);
    } catch (error) {
      const lostTheRace = options.port === undefined && error instanceof Error && error.message.includes("could not bind");
      if (!lostTheRace || attempt === PORT_ATTEMPTS) throw error;
    }
  }
}

const defaultHba = ({ tls }: PostgresOptions): readonly string[] => [`${tls === undefined ? "host" : "hostssl"} all all 127.0.0.1/32 scram-sha-256`];

interface Spawned {
  readonly process: ChildProcess;
  readonly exited: Promise<void>;
  /** Length of the log before this start. */
  readonly logFrom: number;
}

function spawnServer(directory: ServerDirectory, binDir: string, port: number, options: PostgresOptions): Spawned {
  const settings: Record<string, string> = {
    listen_addresses: "127.0.0.1",
    unix_socket_directories: "",
    port: String(port),
    logging_collector: "off",
    log_destination: "stderr",
    ...(options.tls === undefined
      ? {}
      : { ssl: "on", ssl_cert_file: directory.adopt(options.tls.certFile, "server.crt"), ssl_key_file: directory.adopt(options.tls.keyFile, "server.key") }),
    ...options.settings,
  };
  const args = ["-D", directory.data, ...Object.entries(settings).flatMap(([name, value]) => ["-c", `${name}=${value}`])];
  const [program, ...before] = dieWithParent(join(binDir, "postgres"));
  const logFrom = statSync(directory.log).size;
  // The folder belongs to the server: it must not make us write elsewhere.
  const log = openSync(directory.log, constants.O_WRONLY | constants.O_APPEND | constants.O_NOFOLLOW);
  const child = spawn(program, [...before, ...args], {
    cwd: "/",
    env: serverEnvironment,
    stdio: ["ignore", log, log],
    detached: true,
    ...ids(directory.user),
  });
  closeSync(log);
  // `error` comes instead of `exit` when the program cannot be run at all.
  const exited = Promise.race([once(child, "exit"), once(child, "error")]).then(() => undefined);
  return { process: child, exited, logFrom };
}

const ids = (user: ServerUser | undefined): { uid?: number; gid?: number } => (user === undefined ? {} : { uid: user.uid, gid: user.gid });

/** SIGINT is PostgreSQL's fast shutdown. Elsewhere than on Linux only a regular end of this process is covered. */
function dieWithParent(program: string): [string, ...string[]] {
  const setpriv = "/usr/bin/setpriv";
  return existsSync(setpriv) ? [setpriv, "--pdeathsig", "INT", program] : [program];
}

async function endedEarly({ exited }: Spawned): Promise<never> {
  await exited;
  throw new Error("It ended.");
}

async function ready(child: Spawned, log: string): Promise<void> {
  const waiting = new AbortController();
  const timer = setTimeout(() => waiting.abort(), START_MS);
  const line = awaitLogLine(log, child.logFrom, (text) => text.includes("database system is ready to accept connections"), waiting.signal);
  try {
    await Promise.race([line, endedEarly(child)]);
  } catch (error) {
    child.process.kill("SIGQUIT");
    const said = readFileSync(log).subarray(child.logFrom).toString("utf8").trim().split("\n").slice(-20).join("\n");
    throw new Error(`PostgreSQL did not start. ${said === "" ? String(error) : said}`, { cause: error });
  } finally {
    clearTimeout(timer);
    waiting.abort();
    await line.catch(() => undefined);
  }
}

function handle({ process: child, exited }: Spawned, port: number, directory: ServerDirectory): PostgresServer {
  const { pid } = child;
  if (pid === undefined) throw new Error("A server that is ready has no process.");
  const killOnExit = (): void => void child.kill("SIGINT");
  process.once("exit", killOnExit);
  const gone = exited.then(() => void process.removeListener("exit", killOnExit));
  return {
    host: "127.0.0.1",
    port,
    pid,
    superuser: { name: superuserName, passwordFile: directory.passwordFile },
    directory: directory.path,
    logFile: directory.log,
    exited: gone,
    stop: async () => {
      const steps = [
        ["SIGINT", FAST_STOP_MS],
        ["SIGQUIT", IMMEDIATE_STOP_MS],
        ["SIGKILL", IMMEDIATE_STOP_MS],
      ] as const;
      for (const [signal, patience] of steps) {
        child.kill(signal);
        if (await endsWithin(gone, patience)) return;
      }
      throw new Error(`PostgreSQL (process ${pid}) cannot be stopped.`);
    },
  };
}

async function endsWithin(gone: Promise<void>, milliseconds: number): Promise<boolean> {
  const { promise: late, resolve } = Promise.withResolvers<boolean>();
  const timer = setTimeout(() => resolve(false), milliseconds);
  const ended = await Promise.race([gone.then(() => true), late]);
  clearTimeout(timer);
  return ended;
}
