import { hostname } from "node:os";
import { join, resolve } from "node:path";
import { SallyportError } from "@sallyport/proto/errors";
import { z } from "zod";

const port = (of: number): z.ZodDefault<z.ZodCoercedNumber> => z.coerce.number().int().min(0).max(65_535).default(of);
const seconds = (of: number, most: number): z.ZodDefault<z.ZodCoercedNumber> => z.coerce.number().int().min(1).max(most).default(of);
const count = (of: number, most: number): z.ZodDefault<z.ZodCoercedNumber> => z.coerce.number().int().min(1).max(most).default(of);
const MIB = 1_048_576;

/** The whole configuration surface of the control plane. The reference page is generated from these descriptions. */
export const configSchema = z.strictObject({
  SALLYPORT_DATA_DIR: z
    .string()
    .default(".sallyport/control-plane")
    .describe("Directory of the ledger file, the certificate authority and the bootstrap token."),
  SALLYPORT_HOST: z.string().default("127.0.0.1").describe("Address that all listeners bind. Loopback unless you open it."),
  SALLYPORT_SERVER_NAMES: z
    .string()
    .default("")
    .describe("Further DNS names and IP addresses, comma-separated, that clients and agents reach this server by; they go into its certificate."),
  SALLYPORT_PG_PORT: port(6432).describe("Port on which PostgreSQL clients connect. 0 takes a free one."),
  SALLYPORT_TUNNEL_PORT: port(7443).describe("Port on which agents dial in (gRPC, mutual TLS)."),
  SALLYPORT_TUNNEL_WINDOW_BYTES: z.coerce
    .number()
    .int()
    .min(65_536)
    .max(64 * MIB)
    .default(4 * MIB)
    .describe(
      "Bytes of result that may be on their way to one session. More is faster over long distances (throughput is at most this per round trip) and holds more memory for clients that do not read.",
    ),
  SALLYPORT_API_PORT: port(7444).describe("Port of the API for the command line and for enrolment (gRPC, TLS)."),
  SALLYPORT_ADVERTISED_HOST: z
    .string()
    .default("")
    .describe("Host name that join tokens and agents are given. Default: the bind address, or this machine's name when that is a wildcard."),
  SALLYPORT_LOG_LEVEL: z.enum(["trace", "debug", "info", "warn", "error", "silent"]).default("info").describe("Least severe level that is logged."),
  SALLYPORT_NODE_ID: z
    .string()
    .regex(/^[a-z0-9][a-z0-9]{0,31}$/)
    .default("node1")
    .describe("Name of this process in its own events; stable over restarts."),
  SALLYPORT_BOOTSTRAP: z
    .enum(["first", "always"])
    .default("first")
    .describe(
      "When to write an administrator's token to bootstrap-admin.token: at the first start only, or at each start that finds it missing or expired. Whoever reads the data directory owns the system either way.",
    ),
  SALLYPORT_STOP_WITH_STDIN: z
    .enum(["on", "off"])
    .default("off")
    .describe("Stop, in order, when standard input ends: for a parent process that must not leave this one behind."),
  SALLYPORT_TOKEN_TTL_MAX_SECONDS: seconds(86_400, 31_536_000).describe("Longest life of an access token."),
  SALLYPORT_JOIN_TTL_MAX_SECONDS: seconds(86_400, 86_400).describe("Longest life of a join token."),
  SALLYPORT_PG_READ_OVERLAP: z
    .enum(["on", "off"])
    .default("on")
    .describe("Whether a read-only command may be sent while its event is being written. Its result waits for the event either way."),
  SALLYPORT_PG_AUTH_TIMEOUT_SECONDS: seconds(15, 600).describe("From accept to the end of authentication."),
  SALLYPORT_PG_MAX_UNAUTHENTICATED: count(512, 100_000).describe("Connections that have not authenticated; beyond it the oldest of them is cut."),
  SALLYPORT_PG_MAX_SESSIONS: count(2_000, 100_000).describe("Sessions at once."),
  SALLYPORT_PG_MAX_MESSAGE_BYTES: z.coerce
    .number()
    .int()
    .min(65_536)
    .max(1_073_741_823)
    .default(128 * MIB)
    .describe("Largest single message of a client."),
  SALLYPORT_PG_LARGE_MESSAGE_BYTES: z.coerce
    .number()
    .int()
    .min(MIB)
    .default(512 * MIB)
    .describe("Client messages over 1 MiB being received, over all sessions together."),
  SALLYPORT_PG_OPEN_TIMEOUT_SECONDS: seconds(20, 600).describe("From the request to the target's greeting."),
  SALLYPORT_PG_HOLD_SECONDS: seconds(900, 86_400).describe("How long a held command waits for people."),
  SALLYPORT_PG_CLIENT_STALL_SECONDS: seconds(900, 86_400).describe("A client that takes nothing of a result for this long is cut."),
});

export interface Config {
  readonly dataDir: string;
  readonly ledgerFile: string;
  readonly pkiDir: string;
  readonly bootstrapTokenFile: string;
  readonly host: string;
  readonly advertisedHost: string;
  readonly serverNames: readonly string[];
  readonly settings: Readonly<z.infer<typeof configSchema>>;
}

/** Keys of the other processes, which may share an environment. */
const foreign = /^SALLYPORT_(AGENT|CLI|TEST)_/;

/** Fails once, at start, naming every wrong key. An empty variable counts as unset. */
export function loadConfig(env: NodeJS.ProcessEnv): Config {
  const own = Object.entries(env).filter(([key, value]) => key.startsWith("SALLYPORT_") && !foreign.test(key) && value !== "");
  const parsed = configSchema.safeParse(Object.fromEntries(own));
  if (!parsed.success) throw new SallyportError("config.invalid", z.prettifyError(parsed.error));
  const settings = parsed.data;
  const dataDir = resolve(settings.SALLYPORT_DATA_DIR);
  const wildcard = settings.SALLYPORT_HOST === "0.0.0.0" || settings.SALLYPORT_HOST === "::";
  // A name where there is one: TLS clients send no address as the server's name.
  const reached = wildcard ? hostname() : settings.SALLYPORT_HOST === "127.0.0.1" ? "localhost" : settings.SALLYPORT_HOST;
  const advertisedHost = settings.SALLYPORT_ADVERTISED_HOST || reached;
  const further = settings.SALLYPORT_SERVER_NAMES.split(",").map((name) => name.trim());
  return {
    dataDir,
    ledgerFile: join(dataDir, "ledger.db"),
    pkiDir: join(dataDir, "pki"),
    bootstrapTokenFile: join(dataDir, "bootstrap-admin.token"),
    host: settings.SALLYPORT_HOST,
    advertisedHost,
    serverNames: [...new Set(["localhost", "127.0.0.1", "::1", advertisedHost, ...further].filter((name) => name !== ""))],
    settings,
  };
}
