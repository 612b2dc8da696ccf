import { readFileSync } from "node:fs";
import { dirname, resolve } from "node:path";
import { SallyportError } from "@sallyport/proto/errors";
import { parseDocument, stringify } from "yaml";
import { z } from "zod";
import { type PostgresResource, postgresResourceSchema } from "./targets/postgres/resource.ts";

const AGENT_PREFIX = "SALLYPORT_AGENT_";
/** The kernel may take minutes to give up on a silent address; people do not wait that long. */
export const DEFAULT_CONNECT_TIMEOUT_MS = 10_000;
/** From the first packet to the last of the login, the server's own authentication back end (LDAP, PAM) included. */
export const DEFAULT_LOGIN_TIMEOUT_MS = 20_000;
/** What a target gets to stop a running command and end by itself before its connection is cut. */
export const DEFAULT_CLOSE_TIMEOUT_MS = 5_000;
const MIB = 1_048_576;
/** Two of the largest rows that are masked, each once as it came and once as it leaves. */
export const DEFAULT_HELD_BYTES = 512 * MIB;
const MAX_TIMEOUT_MS = 600_000;

const milliseconds = (fallback: number) => z.coerce.number().int().min(1).max(MAX_TIMEOUT_MS).default(fallback);

/** The environment half of the configuration. The reference page is generated from both halves. */
export const environmentSchema = z.strictObject({
  SALLYPORT_AGENT_CONFIG: z.string().min(1).default("sallyport-agent.yaml").describe("Path of the YAML file that lists the resources."),
  SALLYPORT_AGENT_STATE_DIR: z
    .string()
    .min(1)
    .default(".sallyport/agent")
    .describe("Folder of the agent's own key and certificate. Nobody else needs to read it."),
  SALLYPORT_AGENT_CONNECT_TIMEOUT_MS: milliseconds(DEFAULT_CONNECT_TIMEOUT_MS).describe("How long a target may take to accept a connection."),
  SALLYPORT_AGENT_LOGIN_TIMEOUT_MS: milliseconds(DEFAULT_LOGIN_TIMEOUT_MS).describe("How long TLS and login at a target may take together."),
  SALLYPORT_AGENT_CLOSE_TIMEOUT_MS: milliseconds(DEFAULT_CLOSE_TIMEOUT_MS).describe(
    "How long a target has to end a session by itself before the connection is cut.",
  ),
  SALLYPORT_AGENT_HELD_BYTES: z.coerce
    .number()
    .int()
    .min(MIB)
    .default(DEFAULT_HELD_BYTES)
    .describe(
      "What sessions with over 1 MiB hold of results, to mask them or because their clients do not read, over all sessions together. The session that grows past it ends.",
    ),
  SALLYPORT_LOG_LEVEL: z.enum(["debug", "info", "warn", "error"]).default("info").describe("The least severe messages that are logged."),
  SALLYPORT_STOP_WITH_STDIN: z
    .enum(["on", "off"])
    .default("off")
    .describe("Stop, in order, when standard input ends: for a parent process that must not leave this one behind."),
});

/** The file half. Relative paths in it start at the file's own folder. */
export const fileSchema = z.strictObject({
  resources: z
    .array(z.discriminatedUnion("protocol", [postgresResourceSchema]))
    .min(1)
    .describe("What this agent serves.")
    .superRefine((resources, context) => {
      const seen = new Set<string>();
      for (const [i, { name }] of resources.entries()) {
        if (seen.has(name)) context.addIssue({ code: "custom", path: [i, "name"], message: `"${name}" is already taken by another resource` });
        seen.add(name);
      }
    }),
});

export interface AgentConfig {
  readonly stateDir: string;
  readonly logLevel: "debug" | "info" | "warn" | "error";
  readonly connectTimeoutMs: number;
  readonly loginTimeoutMs: number;
  readonly closeTimeoutMs: number;
  readonly heldBytes: number;
  readonly stopWithStdin: boolean;
  readonly file: string;
  readonly resources: readonly PostgresResource[];
}

/** Reads environment and file. Fails once with `config.invalid`, which names every problem in both. An empty variable counts as unset. */
export function loadConfig(env: NodeJS.ProcessEnv): AgentConfig {
  const set = new Map(Object.entries(env).filter(([, value]) => value !== undefined && value !== ""));
  const own = [...set].filter(([key]) => key.startsWith(AGENT_PREFIX) || Object.hasOwn(environmentSchema.shape, key));
  const path = environmentSchema.shape.SALLYPORT_AGENT_CONFIG.parse(set.get("SALLYPORT_AGENT_CONFIG"));
  const file = readFile(path);
  // A resource may keep its password in a variable of our prefix: such a name is known through the file.
  const passwords = new Set(file.value?.resources.flatMap(({ password }) => (password !== undefined && "env" in password ? [password.env] : [])));
  const environment = environmentSchema.safeParse(
    Object.fromEntries(own.filter(([key]) => Object.hasOwn(environmentSchema.shape, key) || !passwords.has(key))),
  );

  if (file.value === undefined || !environment.success) {
    const problems = [...(environment.error?.issues.flatMap((issue) => describeIssue("environment", issue)) ?? []), ...(file.problems ?? [])];
    throw new SallyportError("config.invalid", `The configuration of the agent is wrong:\n${problems.map((problem) => `  ${problem}`).join("\n")}`);
  }
  const { data } = environment;
  return {
    stateDir: resolve(data.SALLYPORT_AGENT_STATE_DIR),
    logLevel: data.SALLYPORT_LOG_LEVEL,
    connectTimeoutMs: data.SALLYPORT_AGENT_CONNECT_TIMEOUT_MS,
    loginTimeoutMs: data.SALLYPORT_AGENT_LOGIN_TIMEOUT_MS,
    closeTimeoutMs: data.SALLYPORT_AGENT_CLOSE_TIMEOUT_MS,
    heldBytes: data.SALLYPORT_AGENT_HELD_BYTES,
    stopWithStdin: data.SALLYPORT_STOP_WITH_STDIN === "on",
    file: resolve(path),
    resources: file.value.resources.map((resource) => withAbsolutePaths(resource, dirname(resolve(path)))),
  };
}

/**
 * As YAML, for `--print-config`: each setting and where it came from. A password is shown as kept somewhere, not where: the name of a
 * secret's file is the secret's keeper's.
 */
export function printConfig({ file, resources }: AgentConfig, env: NodeJS.ProcessEnv): string {
  const settings = Object.entries(environmentSchema.shape).map(([name, schema]) => {
    const set = env[name] !== undefined && env[name] !== "";
    return `${name}: ${JSON.stringify(schema.parse(set ? env[name] : undefined))} # ${set ? "environment" : "default"}\n`;
  });
  const shown = resources.map(({ password, ...resource }) =>
    password === undefined ? resource : { ...resource, password: "file" in password ? "(from a file)" : "(from the environment)" },
  );
  return `${settings.join("")}# from ${file}\n${stringify({ resources: shown })}`;
}

type FileResult =
  | { readonly value: z.infer<typeof fileSchema>; readonly problems?: undefined }
  | { readonly value?: undefined; readonly problems: readonly string[] };

function readFile(path: string): FileResult {
  let text: string;
  try {
    text = readFileSync(path, "utf8");
  } catch (error) {
    return { problems: [`${path}: cannot be read (${(error as NodeJS.ErrnoException).code ?? "unknown"}); SALLYPORT_AGENT_CONFIG names the file`] };
  }
  const document = parseDocument(text, { prettyErrors: false });
  if (document.errors.length > 0) {
    // The parser quotes the source line, which may be a password in the wrong place; its code and the line number say enough.
    return { problems: document.errors.map(({ code, pos }) => `${path}: line ${text.slice(0, pos[0]).split("\n").length}: not YAML (${code})`) };
  }
  let content: unknown;
  try {
    content = document.toJS() ?? {};
  } catch {
    return { problems: [`${path}: not YAML (an alias without its anchor, or too many)`] };
  }
  const parsed = fileSchema.safeParse(content);
  return parsed.success ? { value: parsed.data } : { problems: parsed.error.issues.flatMap((issue) => describeIssue(path, issue)) };
}

function describeIssue(where: string, issue: z.core.$ZodIssue): string[] {
  const at = issue.path
    .map((key) => (typeof key === "number" ? `[${key}]` : `.${String(key)}`))
    .join("")
    .replace(/^\./, "");
  if (issue.code === "unrecognized_keys") return issue.keys.map((key) => `${where}: ${at === "" ? key : `${at}.${key}`}: unknown key`);
  return [`${where}: ${at === "" ? "" : `${at}: `}${issue.message}`];
}

function withAbsolutePaths(resource: PostgresResource, base: string): PostgresResource {
  const { password, tls } = resource;
  const files = Object.entries(tls).map(([key, value]) => [key, key.endsWith("File") && value !== undefined ? resolve(base, value) : value]);
  return {
    ...resource,
    tls: Object.fromEntries(files) as PostgresResource["tls"],
    ...(password !== undefined && "file" in password ? { password: { file: resolve(base, password.file) } } : {}),
  };
}
