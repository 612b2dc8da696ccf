import { existsSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join, relative, resolve } from "node:path";
import { fileURLToPath } from "node:url";
import { ensureCertificate } from "@sallyport/deploy/demo/certificate";
import { startPostgres } from "@sallyport/deploy/demo/postgres-server";
import { appRole, demoDatabase, seedDemo } from "@sallyport/deploy/demo/seed";
import { stringify } from "yaml";
import { connectApi } from "../api-client.ts";
import { startBackground } from "../processes.ts";
import { profileFile, type Profile } from "../profile.ts";
import { ensurePerson, ensurePolicy, joinAgent } from "./provision.ts";

export interface RunningDemo {
  readonly directory: string;
  readonly postgresAddress: string;
  readonly resource: string;
  readonly onRequest: string;
  readonly caFile: string;
  readonly engineer: Profile;
  readonly approver: Profile;
  /** The first program that ends by itself. */
  readonly firstExit: Promise<string>;
  stop(): Promise<void>;
}

const starterPolicy = fileURLToPath(new URL("../../../deploy/policies/starter", import.meta.url));
const AGENT_NAME = "demo";
/** The same database, as a resource that nobody has standing access to. */
const ON_REQUEST = `${demoDatabase}-production`;

/** Starts everything in order, making what is missing; cut off anywhere, the next start goes on. */
export async function startDemo(dir: string, say: (line: string) => void): Promise<RunningDemo> {
  const directory = resolve(dir);
  const at = (...parts: string[]): string => join(directory, ...parts);
  mkdirSync(directory, { recursive: true });
  const stops: (() => Promise<void>)[] = [];
  const stop = async (): Promise<void> => {
    for (const each of stops.toReversed()) await each();
  };
  try {
    say("Starting PostgreSQL with demo data …");
    const certificate = await ensureCertificate(at("demo", "tls"), ["localhost", "127.0.0.1"]);
    const postgres = await startPostgres({ directory: at("demo", "postgres"), tls: certificate });
    stops.push(() => postgres.stop());
    const passwordFile = at("demo", "app.password");
    await seedDemo({ server: postgres, passwordFile, caFile: certificate.certFile });

    say("Starting the control plane …");
    const dataDir = at("control-plane");
    const control = await startBackground("control-plane", [], {
      env: { ...process.env, SALLYPORT_DATA_DIR: dataDir, SALLYPORT_BOOTSTRAP: "always" },
      logFile: at("logs", "control-plane.log"),
      ready: "control plane ready",
    });
    stops.push(() => control.program.stop());
    const host = String(control.line["advertisedHost"]);
    const address = (port: unknown): string => `${host}:${String(port)}`;
    const caFile = join(dataDir, "pki", "ca.crt");
    const reach = { apiAddress: address(control.line["apiPort"]), postgresAddress: address(control.line["postgresPort"]), caFile };

    const admin: Profile = { ...reach, identity: "admin", tokenFile: join(dataDir, "bootstrap-admin.token") };
    writeProfile(directory, "admin", admin);
    const api = connectApi(admin);
    const engineer = await ensurePerson(api, directory, { ...reach, identity: "ana" }, ["engineers", "oncall"]);
    const approver = await ensurePerson(api, directory, { ...reach, identity: "bo" }, ["approvers", "auditors"]);
    writeProfile(directory, "ana", engineer);
    writeProfile(directory, "bo", approver);
    writeProfile(directory, "default", engineer);
    await ensurePolicy(api, starterPolicy);

    say("Starting the edge agent …");
    const agentDir = at("agent");
    mkdirSync(agentDir, { recursive: true, mode: 0o700 });
    const configFile = join(agentDir, "agent.yaml");
    writeFileSync(configFile, agentConfig(postgres.port, passwordFile, certificate.certFile), { mode: 0o600 });
    const agentEnv = { ...process.env, SALLYPORT_AGENT_CONFIG: configFile, SALLYPORT_AGENT_STATE_DIR: join(agentDir, "state") };
    if (!existsSync(join(agentDir, "joined"))) {
      await joinAgent(api, AGENT_NAME, agentEnv);
      writeFileSync(join(agentDir, "joined"), "");
    }
    const agent = await startBackground("edge-agent", ["run"], {
      env: agentEnv,
      logFile: at("logs", "edge-agent.log"),
      ready: "linked to the control plane",
      unless: control.program.exited.then(() => new Error(`The control plane ended; its log: ${at("logs", "control-plane.log")}`)),
    });
    // The control plane goes first: it tells every client why, while the agent can still pass it on.
    stops.splice(1, 0, () => agent.program.stop());
    api.close();
    const firstExit = Promise.race([
      control.program.exited.then(() => "control plane"),
      agent.program.exited.then(() => "edge agent"),
      postgres.exited.then(() => "PostgreSQL"),
    ]);
    return { directory, postgresAddress: reach.postgresAddress, resource: demoDatabase, onRequest: ON_REQUEST, caFile, engineer, approver, firstExit, stop };
  } catch (error) {
    await stop();
    throw error;
  }
}

function agentConfig(port: number, passwordFile: string, caFile: string): string {
  const target = {
    protocol: "postgres",
    host: "127.0.0.1",
    port,
    database: demoDatabase,
    user: appRole,
    password: { file: passwordFile },
    tls: { mode: "verify-full", caFile },
  };
  return stringify({
    resources: [
      { name: demoDatabase, ...target, labels: { env: "demo" } },
      { name: ON_REQUEST, ...target, labels: { "env": "demo", "access": "on-request", "break-glass": "oncall" } },
    ],
  });
}

function writeProfile(directory: string, name: string, profile: Profile): void {
  const file = profileFile(directory, name);
  mkdirSync(join(directory, "profiles"), { recursive: true, mode: 0o700 });
  const beside = (path: string): string => relative(join(directory, "profiles"), path);
  const text = `${JSON.stringify({ ...profile, caFile: beside(profile.caFile), tokenFile: beside(profile.tokenFile) }, undefined, 2)}\n`;
  if (!existsSync(file) || readFileSync(file, "utf8") !== text) writeFileSync(file, text, { mode: 0o600 });
}
