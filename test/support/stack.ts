import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as pause } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import { type ApiClient, connectApi } from "@sallyport/cli/src/api-client.ts";
import type { Profile } from "@sallyport/cli/src/profile.ts";
import type { DomainEvent, EventType } from "@sallyport/control-plane/src/domain/events.ts";
import type { RecordedEvent } from "@sallyport/proto/gen/sallyport/api/v1/api";
import { Client, type ClientConfig } from "pg";
import { stringify } from "yaml";
import { atEnd, type Cleanup } from "./cleanup.ts";
import { LedgerServer } from "./ledger-server.ts";
import { type PolicyText, starterPolicy } from "./policies.ts";
import { type Flavour, startTestPostgres, type TargetAuth, type TestPostgres } from "./postgres-server.ts";
import { TestProcess } from "./process.ts";
import { tempDir } from "./temp-dir.ts";

export interface StackOptions {
  /** The starter policy unless given; an empty list publishes none. */
  readonly policy?: readonly PolicyText[];
  readonly targetFlavour?: Flavour;
  readonly targetAuth?: TargetAuth;
  /** Of the resource. */
  readonly labels?: Readonly<Record<string, string>>;
  /** TLS only, with an authority of its own, which the agent checks the certificate and the name against. */
  readonly targetTls?: boolean;
  /** Of the target server. */
  readonly settings?: Readonly<Record<string, string>>;
  /** The embedded one unless given; the other is the endpoint, in a process of its own, through the EventStoreDB adapter. */
  readonly ledger?: "embedded" | "eventstoredb";
  /** More resources on the same server, by name; each is a database of its own, made empty. */
  readonly moreDatabases?: readonly string[];
  /** Added to the environment of the control plane. */
  readonly env?: Readonly<Record<string, string>>;
}

/** `ana` asks, `bo` and `cy` decide, `robot` is a machine among the engineers; `admin` keeps the place. */
export const people = {
  ana: { kind: "human", groups: ["engineers"] },
  bo: { kind: "human", groups: ["approvers", "auditors"] },
  cy: { kind: "human", groups: ["approvers"] },
  robot: { kind: "machine", groups: ["engineers"] },
} as const;
export type Person = keyof typeof people | "admin";

/** An event as recorded, told apart by `type`. */
export type Recorded = DomainEvent & { readonly stream: string; readonly position: bigint; readonly metadata: Readonly<Record<string, unknown>> };
export type RecordedAs<T extends EventType> = Extract<Recorded, { type: T }>;
export const isType =
  <T extends EventType>(type: T, matches: (event: RecordedAs<T>) => boolean = () => true) =>
  (event: Recorded): event is RecordedAs<T> =>
    event.type === type && matches(event as RecordedAs<T>);

/** What the one resource is called. */
export const RESOURCE = "orders-db";

const controlPlaneMain = fileURLToPath(new URL("../../control-plane/src/main.ts", import.meta.url));
const agentMain = fileURLToPath(new URL("../../edge-agent/src/main.ts", import.meta.url));
const cliMain = fileURLToPath(new URL("../../cli/src/main.ts", import.meta.url));
const TOKEN_SECONDS = 3_600;
const POLL_MS = 50;
/** As the command line starts them: without Node's announcement of node:sqlite, with room for the garbage of a busy relay. */
const quiet = "--disable-warning=ExperimentalWarning --max-semi-space-size=64";

/** The real processes: control plane, edge agent and a PostgreSQL that logs every statement; enrolled through the API. */
export class Stack {
  readonly folder: string;
  readonly target: TestPostgres;
  readonly tokens: Record<Person, string>;
  readonly #cleanup: Cleanup;
  readonly #env: Record<string, string>;
  readonly #agentEnv: Record<string, string>;
  #controlPlane: TestProcess;
  readonly #ledgerServer: LedgerServer | undefined;
  readonly #labels: Readonly<Record<string, string>>;
  readonly #moreDatabases: readonly string[];
  #agent: TestProcess | undefined;

  private constructor(
    cleanup: Cleanup,
    target: TestPostgres,
    folder: string,
    env: Record<string, string>,
    controlPlane: TestProcess,
    ledgerServer: LedgerServer | undefined,
    labels: Readonly<Record<string, string>>,
    moreDatabases: readonly string[],
  ) {
    this.#labels = labels;
    this.#moreDatabases = moreDatabases;
    this.#ledgerServer = ledgerServer;
    this.#cleanup = cleanup;
    this.target = target;
    this.folder = folder;
    this.#env = env;
    this.#controlPlane = controlPlane;
    this.#agentEnv = { SALLYPORT_AGENT_CONFIG: join(folder, "agent.yaml"), SALLYPORT_AGENT_STATE_DIR: join(folder, "agent"), NODE_OPTIONS: quiet };
    this.tokens = { ana: "", bo: "", cy: "", robot: "", admin: readFileSync(join(this.dataDir, "bootstrap-admin.token"), "utf8").trim() };
  }

  static async start(cleanup: Cleanup, options: StackOptions = {}): Promise<Stack> {
    const folder = tempDir(cleanup, "stack");
    const ledgerServer = options.ledger === "eventstoredb" ? await LedgerServer.start(cleanup, { credentials: "gate:keeper\n" }) : undefined;
    const env: Record<string, string> = {
      NODE_OPTIONS: quiet,
      SALLYPORT_DATA_DIR: join(folder, "control-plane"),
      SALLYPORT_PG_PORT: "0",
      SALLYPORT_TUNNEL_PORT: "0",
      SALLYPORT_API_PORT: "0",
      ...(ledgerServer === undefined ? {} : { SALLYPORT_LEDGER_URL: ledgerServer.url("gate:keeper") }),
      ...options.env,
    };
    const target = startTestPostgres(cleanup, {
      ...(options.targetFlavour === undefined ? {} : { flavour: options.targetFlavour }),
      ...(options.targetAuth === undefined ? {} : { auth: options.targetAuth }),
      ...(options.targetTls === undefined ? {} : { tls: options.targetTls }),
      ...(options.settings === undefined ? {} : { settings: options.settings }),
    });
    const controlPlane = TestProcess.node(cleanup, controlPlaneMain, [], { env, cwd: folder });
    const [server, line] = await Promise.all([target, controlPlane.json(({ msg }) => msg === "control plane ready")]);
    // From now on the same ports: whoever was connected finds a restarted control plane again.
    for (const [name, port] of [
      ["PG", "postgresPort"],
      ["TUNNEL", "tunnelPort"],
      ["API", "apiPort"],
    ] as const)
      env[`SALLYPORT_${name}_PORT`] = String(line[port]);
    const stack = new Stack(cleanup, server, folder, env, controlPlane, ledgerServer, options.labels ?? {}, options.moreDatabases ?? []);
    await stack.#provision(options.policy ?? starterPolicy);
    return stack;
  }

  get dataDir(): string {
    return this.#env["SALLYPORT_DATA_DIR"] ?? join(this.folder, "control-plane");
  }

  get ledgerFile(): string {
    return join(this.dataDir, "ledger.db");
  }

  get caFile(): string {
    return join(this.dataDir, "pki", "ca.crt");
  }

  get apiAddress(): string {
    return `localhost:${this.#env["SALLYPORT_API_PORT"]}`;
  }

  get gatewayPort(): number {
    return Number(this.#env["SALLYPORT_PG_PORT"]);
  }

  /** Where the record is, when it is not in the control plane's own file. */
  get ledgerServer(): LedgerServer {
    if (this.#ledgerServer === undefined) throw new Error("This stack has the embedded ledger.");
    return this.#ledgerServer;
  }

  get controlPlane(): TestProcess {
    return this.#controlPlane;
  }

  get agent(): TestProcess {
    if (this.#agent === undefined) throw new Error("The agent has not been started.");
    return this.#agent;
  }

  /** How node-postgres connects through the gateway. */
  gateway(person: Person = "ana", more: ClientConfig = {}): ClientConfig {
    return {
      host: "127.0.0.1",
      port: this.gatewayPort,
      user: person,
      database: RESOURCE,
      password: this.tokens[person],
      ssl: { ca: readFileSync(this.caFile, "utf8") },
      ...more,
    };
  }

  /** How it connects without. */
  direct(more: ClientConfig = {}): ClientConfig {
    const { host, port, app, certificate } = this.target;
    return { host, port, ...app, ...(certificate === undefined ? {} : { ssl: { ca: readFileSync(certificate.caFile, "utf8") } }), ...more };
  }

  /** libpq's variables for the same two ways. */
  gatewayEnv(person: Person = "ana"): Record<string, string> {
    const { host, port, user, database, password } = this.gateway(person);
    return {
      PGHOST: String(host),
      PGPORT: String(port),
      PGUSER: String(user),
      PGDATABASE: String(database),
      PGPASSWORD: String(password),
      PGSSLMODE: "verify-full",
      PGSSLROOTCERT: this.caFile,
    };
  }

  directEnv(): Record<string, string> {
    const { host, port, app, certificate } = this.target;
    const tls = certificate === undefined ? { PGSSLMODE: "disable" } : { PGSSLMODE: "verify-full", PGSSLROOTCERT: certificate.caFile };
    return { PGHOST: host, PGPORT: String(port), PGUSER: app.user, PGDATABASE: app.database, PGPASSWORD: app.password, ...tls };
  }

  connect(person: Person = "ana", more: ClientConfig = {}): Promise<Client> {
    return connected(this.#cleanup, this.gateway(person, more));
  }

  connectDirect(more: ClientConfig = {}): Promise<Client> {
    return connected(this.#cleanup, this.direct(more));
  }

  api(person: Person = "admin"): ApiClient {
    return connectApi(this.#profile(person), this.tokens[person]);
  }

  /** As somebody whom the test made itself. */
  apiOf(identity: string, token: string): ApiClient {
    return connectApi(this.#profile(identity), token);
  }

  /** One call as `person`. */
  async call<T>(person: Person, run: (api: ApiClient) => Promise<T>): Promise<T> {
    const api = this.api(person);
    try {
      return await run(api);
    } finally {
      api.close();
    }
  }

  /** Our own command line, as `person`. */
  cli(person: Person, ...args: readonly string[]): TestProcess {
    const profile = this.#profile(person);
    mkdirSync(join(this.folder, "profiles"), { recursive: true });
    writeFileSync(profile.tokenFile, this.tokens[person], { mode: 0o600 });
    writeFileSync(join(this.folder, "profiles", `${person}.json`), JSON.stringify(profile));
    return TestProcess.node(this.#cleanup, cliMain, ["--as", person, ...args], { env: { NODE_OPTIONS: quiet, SALLYPORT_CLI_DIR: this.folder } });
  }

  /** What is recorded in streams whose names begin so, in order. */
  async events(...prefixes: readonly string[]): Promise<Recorded[]> {
    return this.call("bo", async (api) => {
      const events: Recorded[] = [];
      for await (const event of this.#read(api, prefixes, false)) events.push(event);
      return events;
    });
  }

  /** The first event, recorded already or yet to come, that matches. The test's time-out bounds the wait. */
  async event<T extends Recorded>(prefix: string, matches: (event: Recorded) => event is T): Promise<T>;
  async event(prefix: string, matches: (event: Recorded) => boolean): Promise<Recorded>;
  async event(prefix: string, matches: (event: Recorded) => boolean): Promise<Recorded> {
    return this.call("bo", async (api) => {
      for await (const event of this.#read(api, [prefix], true)) if (matches(event)) return event;
      throw new Error("The control plane ended the stream of events.");
    });
  }

  async publish(policy: readonly PolicyText[]): Promise<string> {
    const { version } = await this.call("admin", (api) => api.policies.publishPolicy({ files: [...policy], reason: "a test" }));
    return version;
  }

  async approve(approvalId: string, person: Person = "bo", forSeconds = 0, wholeSession = false): Promise<void> {
    await this.call(person, (api) => api.approvals.approve({ approvalId, comment: "", digest: "", forSeconds, wholeSession }));
  }

  async deny(approvalId: string, person: Person = "bo", comment = ""): Promise<void> {
    await this.call(person, (api) => api.approvals.deny({ approvalId, comment }));
  }

  async token(person: Exclude<Person, "admin">, ttlSeconds = TOKEN_SECONDS): Promise<{ readonly tokenId: string; readonly token: string }> {
    return this.call("admin", (api) => api.identities.createToken({ identityId: person, ttlSeconds, note: "" }));
  }

  /** SIGKILL, unless told otherwise; resolves when the process is gone. */
  async killControlPlane(signal: NodeJS.Signals = "SIGKILL"): Promise<void> {
    this.#controlPlane.kill(signal);
    await this.#controlPlane.exited;
  }

  async startControlPlane(env: Readonly<Record<string, string>> = {}): Promise<void> {
    this.#controlPlane = TestProcess.node(this.#cleanup, controlPlaneMain, [], { env: { ...this.#env, ...env }, cwd: this.folder });
    await this.#controlPlane.json(({ msg }) => msg === "control plane ready");
  }

  /** Another one on the same settings, not waited for. */
  spawnControlPlane(env: Readonly<Record<string, string>> = {}): TestProcess {
    return TestProcess.node(this.#cleanup, controlPlaneMain, [], { env: { ...this.#env, ...env }, cwd: this.folder });
  }

  async startAgent(): Promise<void> {
    this.#agent = TestProcess.node(this.#cleanup, agentMain, ["run"], { env: this.#agentEnv, cwd: this.folder });
    await this.#agent.json(({ msg }) => msg === "linked to the control plane");
    await this.linked();
  }

  async killAgent(signal: NodeJS.Signals = "SIGKILL"): Promise<void> {
    this.agent.kill(signal);
    await this.agent.exited;
  }

  /** With another file, after a SIGTERM. */
  async restartAgent(changes: Readonly<Record<string, unknown>>): Promise<void> {
    this.#configureAgent(changes);
    await this.killAgent("SIGTERM");
    // Or the old link would be taken for the new one.
    while ((await this.call("admin", (api) => api.agents.listAgents({}))).agents.some((agent) => agent.connected)) await pause(POLL_MS);
    await this.startAgent();
  }

  /** Resolves when the agent serves the resource. That is only to be asked for: nobody says when it is so again. */
  async linked(): Promise<void> {
    await this.call("admin", async (api) => {
      for (;;) {
        const { agents } = await api.agents.listAgents({});
        if (agents.some((agent) => agent.connected)) return;
        if (!this.agent.running) throw new Error(`The agent ended:\n${this.agent.stdout}${this.agent.stderr}`);
        await pause(POLL_MS);
      }
    });
  }

  #profile(identity: string): Profile {
    return {
      identity,
      apiAddress: this.apiAddress,
      postgresAddress: `localhost:${this.gatewayPort}`,
      caFile: this.caFile,
      tokenFile: join(this.folder, "profiles", `${identity}.token`),
    };
  }

  #configureAgent(changes: Readonly<Record<string, unknown>> = {}): void {
    const { app, host, port, certificate } = this.target;
    const passwordFile = join(this.folder, "target.password");
    writeFileSync(passwordFile, `${app.password}\n`, { mode: 0o600 });
    const resource = {
      name: RESOURCE,
      protocol: "postgres",
      host,
      port,
      database: app.database,
      user: app.user,
      labels: this.#labels,
      tls: certificate === undefined ? { mode: "disable" } : { caFile: certificate.caFile },
      ...(app.password === "" ? {} : { password: { file: passwordFile } }),
      ...changes,
    };
    const more = this.#moreDatabases.map((database) => ({ ...resource, name: database, database }));
    writeFileSync(join(this.folder, "agent.yaml"), stringify({ resources: [resource, ...more] }), { mode: 0o600 });
  }

  async #provision(policy: readonly PolicyText[]): Promise<void> {
    if (this.#moreDatabases.length > 0) {
      const admin = await this.target.connectAsSuperuser();
      for (const database of this.#moreDatabases) await admin.query(`create database "${database}" owner app`);
    }
    this.#configureAgent();
    await this.call("admin", async (api) => {
      for (const [id, { kind, groups }] of Object.entries(people)) {
        await api.identities.putIdentity({ id, kind, groups: [...groups] });
        this.tokens[id as keyof typeof people] = (await api.identities.createToken({ identityId: id, ttlSeconds: TOKEN_SECONDS, note: "" })).token;
      }
      const { joinToken } = await api.agents.createJoinToken({ agentName: "edge", ttlSeconds: 600 });
      const joining = TestProcess.node(this.#cleanup, agentMain, ["join", "-"], { env: this.#agentEnv, input: joinToken });
      const { status } = await joining.exited;
      if (status !== 0) throw new Error(`The agent could not join: ${joining.stderr}`);
    });
    if (policy.length > 0) await this.publish(policy);
    await this.startAgent();
  }

  async *#read(api: ApiClient, prefixes: readonly string[], follow: boolean): AsyncGenerator<Recorded> {
    const request = { streamPrefixes: [...prefixes], afterPosition: follow ? 0n : undefined, follow, limit: 0n };
    for await (const { event } of api.events.readEvents(request)) if (event !== undefined) yield recorded(event);
  }
}

const recorded = ({ stream, position, type, dataJson, metadataJson }: RecordedEvent): Recorded =>
  ({ stream, position, type, data: JSON.parse(dataJson) as object, metadata: JSON.parse(metadataJson) as object }) as Recorded;

async function connected(cleanup: Cleanup, config: ClientConfig): Promise<Client> {
  const client = new Client(config);
  // A connection that the test breaks on purpose: its queries tell.
  client.on("error", () => undefined);
  await client.connect();
  atEnd(cleanup, () => client.end());
  return client;
}
