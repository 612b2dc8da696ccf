import { readFileSync } from "node:fs";
import { setTimeout as delay } from "node:timers/promises";
import { SallyportError } from "@sallyport/proto/errors";
import type { ChannelCredentialOptions, EventStoreDBClient } from "@eventstore/db-client";
import type { ConnectionSettings } from "./connection-string.ts";

/** The client's own minimum, so that it does not warn; a dead peer of an idle subscription is noticed after this twice. */
const KEEP_ALIVE_MS = 10_000;

/** Cancelling calls takes no answer from a peer; should the client wait for one all the same, nobody waits with it. */
const DISPOSE_MS = 1_000;

/** One client, for as long as it works. */
export interface Connected {
  readonly client: EventStoreDBClient;
  /** Aborts when this client is given up: what still waits for it never hears anything. */
  readonly lost: AbortSignal;
}

let connections = 0;

/**
 * The one client of this process, and its replacement when it hangs.
 *
 * C1. There is one client at a time in a process: appends of two share a table inside the package, and one's broken connection rejects,
 *     or breaks, those of the other.
 * C2. A client that is replaced is disposed first, so that nothing it still answers meets the table of the next.
 * C3. Certificates and keys are read again for each client.
 */
export class ClientConnection {
  readonly #settings: ConnectionSettings;
  #current: Promise<{ readonly connected: Connected; readonly give: AbortController }> | undefined;
  #closed = false;

  constructor(settings: ConnectionSettings) {
    if (connections > 0) throw new Error("This process already has an EventStoreDB client.");
    connections++;
    this.#settings = settings;
  }

  get closed(): boolean {
    return this.#closed;
  }

  async connected(): Promise<Connected> {
    if (this.#closed) throw new SallyportError("ledger.unavailable", "The ledger is closed.");
    this.#current ??= connect(this.#settings);
    const attempt = this.#current;
    try {
      return (await attempt).connected;
    } catch (error) {
      if (this.#current === attempt) this.#current = undefined;
      throw error;
    }
  }

  /** Gives up a client that does not answer; only the first to say so about the same one does anything. */
  async renew(suspect: Connected): Promise<void> {
    const current = this.#current;
    if (current === undefined || this.#closed) return;
    const { connected, give } = await current;
    if (connected !== suspect || this.#current !== current) return;
    this.#current = disposed(connected, give).then(() => connect(this.#settings));
    await this.#current.catch(() => undefined); // whoever needs it next hears why
  }

  async close(): Promise<void> {
    if (this.#closed) return;
    this.#closed = true;
    const current = await this.#current?.catch(() => undefined);
    if (current !== undefined) await disposed(current.connected, current.give);
    connections--;
  }
}

async function disposed({ client }: Connected, give: AbortController): Promise<void> {
  give.abort();
  await Promise.race([client.dispose(), delay(DISPOSE_MS, undefined, { ref: false })]);
}

async function connect(settings: ConnectionSettings): Promise<{ readonly connected: Connected; readonly give: AbortController }> {
  const channel = channelOptions(settings);
  const Client = await loadClient();
  const { hosts, discover, credentials } = settings;
  const common = given({
    connectionName: settings.connectionName ?? "sallyport",
    keepAliveInterval: settings.keepAliveInterval ?? KEEP_ALIVE_MS,
    keepAliveTimeout: settings.keepAliveTimeout ?? KEEP_ALIVE_MS,
    maxDiscoverAttempts: settings.maxDiscoverAttempts,
    discoveryInterval: settings.discoveryInterval,
    gossipTimeout: settings.gossipTimeout,
    nodePreference: settings.nodePreference,
  });
  const [first] = hosts;
  if (first === undefined) throw new Error("A connection string has a host.");
  const client = discover
    ? new Client({ ...common, discover: first }, channel, credentials)
    : hosts.length > 1
      ? new Client({ ...common, endpoints: [...hosts] }, channel, credentials)
      : new Client({ ...common, endpoint: first }, channel, credentials);
  const give = new AbortController();
  return { connected: { client, lost: give.signal }, give };
}

/** Loaded when it is needed. Its debug output prints connection strings and keys, so it is switched off whatever DEBUG says. */
async function loadClient(): Promise<typeof EventStoreDBClient> {
  const debug = process.env["DEBUG"];
  if (debug !== undefined) process.env["DEBUG"] = `${debug},-esdb*`;
  return (await import("@eventstore/db-client")).EventStoreDBClient;
}

function channelOptions({ tls, caFile, userCertFile, userKeyFile }: ConnectionSettings): ChannelCredentialOptions {
  if (!tls) return { insecure: true };
  return given({
    insecure: false,
    rootCertificate: caFile === undefined ? undefined : contents("tlsCAFile", caFile),
    userCertFile: userCertFile === undefined ? undefined : contents("userCertFile", userCertFile),
    userKeyFile: userKeyFile === undefined ? undefined : contents("userKeyFile", userKeyFile),
  });
}

function contents(option: string, path: string): Buffer {
  try {
    return readFileSync(path);
  } catch (error) {
    const why = error instanceof Error && "code" in error ? ` (${String(error.code)})` : "";
    throw new SallyportError("config.invalid", `${path}, the ${option} of the ledger's connection string, cannot be read${why}.`, { path }, error);
  }
}

type Given<Options> = { [Key in keyof Options]?: Exclude<Options[Key], undefined> };

/** Without the keys that are not set: the client takes an undefined one for a value. */
function given<Options extends object>(options: Options): Given<Options> {
  return Object.fromEntries(Object.entries(options).filter(([, value]) => value !== undefined)) as Given<Options>;
}
