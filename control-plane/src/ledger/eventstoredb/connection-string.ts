import { SallyportError } from "@sallyport/proto/errors";

/** What an EventStoreDB connection string says, before any file that it names is read. */
export interface ConnectionSettings {
  readonly hosts: readonly { readonly address: string; readonly port: number }[];
  /** Ask the first host for the members of the cluster. */
  readonly discover: boolean;
  readonly credentials: { readonly username: string; readonly password: string } | undefined;
  readonly tls: boolean;
  readonly caFile: string | undefined;
  readonly userCertFile: string | undefined;
  readonly userKeyFile: string | undefined;
  readonly nodePreference: NodePreference | undefined;
  readonly maxDiscoverAttempts: number | undefined;
  readonly discoveryInterval: number | undefined;
  readonly gossipTimeout: number | undefined;
  readonly keepAliveInterval: number | undefined;
  readonly keepAliveTimeout: number | undefined;
  readonly connectionName: string | undefined;
}

type NodePreference = "leader" | "follower" | "random" | "read_only_replica";

const DEFAULT_PORT = 2113;

/** Names of options count without case, `-` and `_`, as the official client takes them. */
const OPTIONS = [
  "tls",
  "tlsverifycert",
  "tlscafile",
  "usercertfile",
  "userkeyfile",
  "nodepreference",
  "maxdiscoverattempts",
  "discoveryinterval",
  "gossiptimeout",
  "keepaliveinterval",
  "keepalivetimeout",
  "connectionname",
  "defaultdeadline",
  "throwonappendfailure",
] as const;
type Option = (typeof OPTIONS)[number];

const PREFERENCES: Readonly<Record<string, NodePreference>> = {
  leader: "leader",
  follower: "follower",
  random: "random",
  readonlyreplica: "read_only_replica",
};

/**
 * Fails with `config.invalid`, and never repeats what it was given: the string may hold a password, which the official client's own
 * parser prints with its warnings.
 */
export function parseConnectionString(text: string): ConnectionSettings {
  const [whole, discover, user, password, hosts = "", query = ""] =
    /^esdb(\+discover)?:\/\/(?:([^:@/?]+):([^@/?]+)@)?([^@/?]+)\/?(?:\?([^?]*))?$/.exec(text.trim()) ?? [];
  if (whole === undefined) {
    throw invalid("it is not esdb://[user:password@]host[:port][,host[:port]][?option=value] (what is special in a password is percent-encoded)");
  }
  const options = parseOptions(query);
  const tls = flag(options, "tls") ?? true;
  if (flag(options, "tlsverifycert") === false) throw invalid("tlsVerifyCert=false is not supported: name the authority with tlsCAFile");
  if (flag(options, "throwonappendfailure") === false) throw invalid("throwOnAppendFailure=false is not supported: it answers with wrong revisions");
  if (user !== undefined && !tls) throw invalid("credentials need TLS: without it they are not sent");
  const certificate = { userCertFile: options.get("usercertfile"), userKeyFile: options.get("userkeyfile") };
  if ((certificate.userCertFile === undefined) !== (certificate.userKeyFile === undefined)) throw invalid("userCertFile and userKeyFile are given together");
  return {
    hosts: hosts.split(",").map(parseHost),
    discover: discover !== undefined,
    credentials: user === undefined || password === undefined ? undefined : { username: decoded(user), password: decoded(password) },
    tls,
    caFile: options.get("tlscafile"),
    ...certificate,
    nodePreference: preference(options.get("nodepreference")),
    maxDiscoverAttempts: wholeNumber(options, "maxdiscoverattempts"),
    discoveryInterval: wholeNumber(options, "discoveryinterval"),
    gossipTimeout: wholeNumber(options, "gossiptimeout"),
    keepAliveInterval: wholeNumber(options, "keepaliveinterval"),
    keepAliveTimeout: wholeNumber(options, "keepalivetimeout"),
    connectionName: options.get("connectionname"),
  };
}

function parseOptions(query: string): ReadonlyMap<Option, string> {
  const options = new Map<Option, string>();
  for (const pair of query === "" ? [] : query.split("&")) {
    const [key = "", value = "", ...rest] = pair.split("=");
    const flat = key.toLowerCase().replaceAll(/[_-]/g, "");
    const option = OPTIONS.find((known) => known === flat);
    if (option === undefined || value === "" || rest.length > 0)
      throw invalid(`one of its options is unknown or has no value; there are: ${OPTIONS.join(", ")}`);
    options.set(option, decoded(value));
  }
  return options;
}

function parseHost(text: string): { readonly address: string; readonly port: number } {
  const [whole, address = "", port] = /^(\[[0-9a-fA-F:.]+\]|[^:[\]\s]+)(?::(\d{1,5}))?$/.exec(text) ?? [];
  const number = port === undefined ? DEFAULT_PORT : Number(port);
  if (whole === undefined || number > 65_535) throw invalid("one of its hosts is not host or host:port");
  return { address, port: number };
}

function flag(options: ReadonlyMap<Option, string>, name: Option): boolean | undefined {
  const value = options.get(name);
  if (value === undefined) return undefined;
  if (value !== "true" && value !== "false") throw invalid(`${name} is true or false`);
  return value === "true";
}

function wholeNumber(options: ReadonlyMap<Option, string>, name: Option): number | undefined {
  const value = options.get(name);
  if (value === undefined) return undefined;
  if (!/^-?\d{1,9}$/.test(value)) throw invalid(`${name} is a whole number`);
  return Number(value);
}

function preference(value: string | undefined): NodePreference | undefined {
  if (value === undefined) return undefined;
  const known = PREFERENCES[value.toLowerCase().replaceAll(/[_-]/g, "")];
  if (known === undefined) throw invalid(`nodePreference is one of ${Object.values(PREFERENCES).join(", ")}`);
  return known;
}

function decoded(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    throw invalid("a part of it is not percent-encoded properly");
  }
}

function invalid(why: string): SallyportError {
  return new SallyportError("config.invalid", `The ledger's connection string cannot be used: ${why}.`);
}
