import { readFileSync } from "node:fs";
import { isIP } from "node:net";
import { hostname } from "node:os";
import { join, resolve } from "node:path";
import { SallyportError } from "@sallyport/proto/errors";
import { z } from "zod";
import { parseRetention, type RetentionRule } from "./domain/retention/retention-rules.ts";

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
    .refine((names) => listed(names).every((name) => isHost(name.replace(/^\*\./u, ""))), "host names or addresses, comma-separated, without ports")
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
    .refine((name) => name === "" || isHost(name), "a host name or an address, without a port")
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
      "When to write an administrator's token to bootstrap-admin.token: at the first start only, or at each start that finds it missing or expired. With `always` that administrator may also look at and change the policy, whatever it says. Whoever reads the data directory owns the system either way.",
    ),
  SALLYPORT_POLICY_APPROVALS: z
    .union([z.literal("auto"), z.coerce.number().int().min(0).max(5)])
    .default("auto")
    .describe(
      "How many administrators besides whoever proposes a policy must agree before it is published. auto: one, as soon as there is another administrator. The first policy of a system needs nobody. With a number, see that there are as many other administrators: nobody can publish without them.",
    ),
  SALLYPORT_LEDGER_URL: z
    .string()
    .regex(/^(esdb(\+discover)?:\/\/|$)/, "it begins with esdb:// or esdb+discover://")
    .default("")
    .describe(
      "Connection string of an EventStoreDB server or cluster that holds the ledger, such as esdb+discover://host:2113?tlsCAFile=/etc/ca.crt. Unset, the ledger is a file in the data directory. It may hold a user and a password, which are printed nowhere.",
    ),
  SALLYPORT_LEDGER_URL_FILE: z.string().default("").describe("A file that holds the connection string, in place of SALLYPORT_LEDGER_URL."),
  SALLYPORT_LEDGER_DEADLINE_SECONDS: seconds(5, 60).describe(
    "Within which EventStoreDB has to answer; after it commands are refused until it does. The ledger in a file has a fixed one.",
  ),
  SALLYPORT_LEDGER_ENDPOINT_PORT: z
    .union([z.literal("off"), z.coerce.number().int().min(0).max(65_535)])
    .default("off")
    .describe(
      "Port on which auditors read the ledger with any EventStoreDB client (gRPC, TLS, identity and token as user and password); 2113 is what those clients expect. Not together with SALLYPORT_LEDGER_URL, whose server they ask themselves.",
    ),
  SALLYPORT_LEDGER_ENDPOINT_STREAMS: z
    .string()
    .default("")
    .describe(
      "What the names of streams begin with that auditors read on that port, separated by commas, such as session-,recording-,approval-. Of other streams they learn nothing, on $all neither. Unset, all. Administrators read all in either case.",
    ),
  SALLYPORT_LEDGER_ENDPOINT_PERSONAL_DATA: z
    .enum(["sealed", "readable"])
    .default("sealed")
    .describe(
      "Whether names, addresses and comments stand on that port as they are stored, so that copies made from it forget whom the ledger forgets, or so that they can be read.",
    ),
  SALLYPORT_STOP_WITH_STDIN: z
    .enum(["on", "off"])
    .default("off")
    .describe("Stop, in order, when standard input ends: for a parent process that must not leave this one behind."),
  SALLYPORT_SIGNING_KEY: z
    .string()
    .default("")
    .describe(
      "Ed25519 key that signs the log: a PEM file (made when missing), or `command:PROGRAM ARGUMENTS…`, which is run with `public-key` or `sign` added. Default: integrity/signing.key in the data directory.",
    ),
  SALLYPORT_SIGNING_KEY_PREVIOUS: z
    .string()
    .default("")
    .describe("The key that the log was signed with until now, in the same notation: at the next start it hands over to the new one, as an event."),
  SALLYPORT_WITNESS_FILES: z.string().default("").describe("Files on other mounts that each checkpoint is appended to; separated by commas."),
  SALLYPORT_WITNESS_URLS: z.string().default("").describe("Witnesses that speak c2sp.org/tlog-witness; their URLs, separated by commas."),
  SALLYPORT_WITNESS_GIT: z
    .string()
    .default("")
    .describe("Clones of git repositories that each checkpoint is committed to, and pushed from; separated by commas."),
  SALLYPORT_RETENTION: z
    .string()
    .default("")
    .describe(
      "How long streams of a category are kept after they end, as category=time (h, d, w or y, from one day on), separated by commas: recording=30d, session=400d, approval=400d, forwarding=400d. What is not named is kept. For the ledger in a file.",
    ),
  SALLYPORT_RETENTION_EVERY_HOURS: count(24, 168).describe("Between two runs that remove what is no longer kept; the first is soon after a start."),
  SALLYPORT_BREAK_GLASS_WHILE_OVERDUE: z
    .enum(["refuse", "allow"])
    .default("refuse")
    .describe("Whether somebody may break the glass again while an earlier break-glass of theirs is overdue for review."),
  SALLYPORT_NOTIFICATIONS: z
    .string()
    .default("")
    .describe(
      "A JSON file that says which channels (webhooks, Slack, e-mail) are told of what; see how-to/notifications.md. On one node only. Unset, nobody is told anything.",
    ),
  SALLYPORT_TOKEN_TTL_MAX_SECONDS: seconds(86_400, 31_536_000).describe("Longest life of an access token."),
  SALLYPORT_JOIN_TTL_MAX_SECONDS: seconds(86_400, 86_400).describe("Longest life of a join token."),
  SALLYPORT_PG_HARMLESS_FUNCTIONS: z
    .string()
    .default("")
    .describe(
      "Functions and operators of extensions that change nothing and read nothing but their arguments, for which this installation vouches, as statements write them, separated by commas: `similarity, gis.st_distance, operator(<=>)`. Without it a statement that calls one is unclassified.",
    ),
  SALLYPORT_PG_READ_OVERLAP: z
    .enum(["on", "off"])
    .default("on")
    .describe("Whether a read-only command may be sent while its event is being written. Its result waits for the event either way."),
  SALLYPORT_PG_AUTH_TIMEOUT_SECONDS: seconds(15, 600).describe("From accept to the end of authentication."),
  SALLYPORT_PG_MAX_UNAUTHENTICATED: count(512, 100_000).describe("Connections that have not authenticated; beyond it the oldest of them is cut."),
  SALLYPORT_PG_MAX_SESSIONS: count(2_000, 100_000).describe("Sessions at once."),
  SALLYPORT_PG_MAX_SESSIONS_PER_IDENTITY: count(1_000, 100_000).describe(
    "Of them, sessions of one identity. Set it to fewer: only then can nobody keep all others out.",
  ),
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
  SALLYPORT_PG_TRANSACTION_HOLD_SECONDS: seconds(120, 86_400).describe("The same inside an open transaction, whose locks others wait for meanwhile."),
  SALLYPORT_PG_MAX_RECORDED_BYTES: z.coerce
    .number()
    .int()
    .min(MIB)
    .max(2 ** 40)
    .default(4_096 * MIB)
    .describe(
      "Output and COPY data of one session that are recorded where policy says so (`@record`), before compression. Beyond it commands are refused until the client connects again, so that no session fills the disk that everybody's record is on.",
    ),
  SALLYPORT_PG_CLIENT_STALL_SECONDS: seconds(900, 86_400).describe("A client that takes nothing of a result for this long is cut."),
});

export interface Config {
  readonly dataDir: string;
  readonly ledgerFile: string;
  /** Of the EventStoreDB in place of that file; may hold a password. */
  readonly ledgerUrl: string | undefined;
  readonly readModelsFile: string;
  /** Whose destruction is what forgets somebody: never in a backup that is kept for long. */
  readonly subjectKeysFile: string;
  /** Of what channels outside are still to be told. */
  readonly outboxFile: string;
  readonly pkiDir: string;
  readonly bootstrapTokenFile: string;
  readonly host: string;
  readonly advertisedHost: string;
  readonly serverNames: readonly string[];
  readonly retention: readonly RetentionRule[];
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
  const further = listed(settings.SALLYPORT_SERVER_NAMES);
  return {
    dataDir,
    ledgerFile: join(dataDir, "ledger.db"),
    ledgerUrl: ledgerUrl(settings),
    readModelsFile: join(dataDir, "read-models.db"),
    subjectKeysFile: join(dataDir, "subject-keys"),
    outboxFile: join(dataDir, "notifications.db"),
    pkiDir: join(dataDir, "pki"),
    bootstrapTokenFile: join(dataDir, "bootstrap-admin.token"),
    host: settings.SALLYPORT_HOST,
    advertisedHost,
    serverNames: [...new Set(["localhost", "127.0.0.1", "::1", advertisedHost, ...further].filter((name) => name !== ""))],
    retention: retention(settings),
    settings,
  };
}

/** Whatever else stands in a certificate or a join token matches nothing, and shows only at whoever connects. */
const isHost = (name: string): boolean => isIP(name) !== 0 || /^\w([\w-]*\w)?(\.\w([\w-]*\w)?)*\.?$/u.test(name);

/** The parts of a setting that is a list. */
export const listed = (setting: string): readonly string[] =>
  setting
    .split(",")
    .map((part) => part.trim())
    .filter((part) => part !== "");

function ledgerUrl(settings: Config["settings"]): string | undefined {
  const { SALLYPORT_LEDGER_URL: url, SALLYPORT_LEDGER_URL_FILE: file, SALLYPORT_LEDGER_ENDPOINT_PORT: endpoint } = settings;
  if (url === "" && file === "") return undefined;
  if (url !== "" && file !== "") throw invalid("SALLYPORT_LEDGER_URL and SALLYPORT_LEDGER_URL_FILE are both set.");
  if (endpoint !== "off") throw invalid("SALLYPORT_LEDGER_ENDPOINT_PORT serves the ledger in a file; with another ledger it must be off.");
  return url === "" ? contents(file) : url;
}

function retention({ SALLYPORT_RETENTION: rules, SALLYPORT_LEDGER_URL: url, SALLYPORT_LEDGER_URL_FILE: file }: Config["settings"]): readonly RetentionRule[] {
  const parsed = parseRetention(rules);
  if (parsed.length > 0 && (url !== "" || file !== "")) throw invalid("SALLYPORT_RETENTION is for the ledger in a file; from another one nothing is removed.");
  return parsed;
}

function contents(path: string): string {
  try {
    return readFileSync(path, "utf8").trim();
  } catch (error) {
    throw invalid(`SALLYPORT_LEDGER_URL_FILE cannot be read: ${path}.`, error);
  }
}

const invalid = (message: string, cause?: unknown): SallyportError => new SallyportError("config.invalid", message, {}, cause);

/** User and password inside a URL: rather too much than the rest of a password that was not escaped. */
const userInfo = /(?<=:\/\/)[^\s"]*@/gu;

/** A PIN, perhaps. */
const commandArguments = /(?<="command:[^\s"]+)\s.*(?=" #)/gu;

/** As YAML, for `--print-config`: each setting and where it came from, then what follows from them. No secret is a setting, but for those in URLs and commands. */
export function printConfig({ settings, ledgerFile, ledgerUrl: elsewhere, pkiDir, advertisedHost, serverNames }: Config, env: NodeJS.ProcessEnv): string {
  const lines = Object.entries(settings).map(([name, value]) => {
    const set = env[name] !== undefined && env[name] !== "";
    return `${name}: ${JSON.stringify(value)} # ${set ? "environment" : "default"}`;
  });
  const derived = {
    "ledger": elsewhere === undefined ? ledgerFile : "EventStoreDB",
    "certificates": pkiDir,
    "advertised host": advertisedHost,
    "names in the certificate": serverNames.join(", "),
  };
  return [...lines, ...Object.entries(derived).map(([name, value]) => `# ${name}: ${value}`), ""]
    .join("\n")
    .replaceAll(userInfo, "(not shown)@")
    .replaceAll(commandArguments, " (not shown)");
}
