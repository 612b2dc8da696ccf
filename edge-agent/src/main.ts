import { resolve } from "node:path";
import { argv, env, stderr, stdin, stdout } from "node:process";
import { text } from "node:stream/consumers";
import { SallyportError } from "@sallyport/proto/errors";
import { logGrpc } from "@sallyport/proto/grpc-log";
import { pino } from "pino";
import manifest from "../package.json" with { type: "json" };
import { Attestor } from "./attestation/attestor.ts";
import { type AgentConfig, environmentSchema, loadConfig, printConfig } from "./config.ts";
import { DRAIN_TIMEOUT_MS, shutdownSignals } from "./link/drain.ts";
import { enrol } from "./link/enrol.ts";
import { loadIdentity } from "./link/identity-store.ts";
import { runAgent } from "./link/run-agent.ts";
import { PostgresTarget } from "./targets/postgres/postgres-target.ts";
import { HeldBytes } from "./targets/held-bytes.ts";
import { containDefects } from "./targets/session-defects.ts";
import { TargetDirectory } from "./targets/target.ts";
import { applyV8Settings } from "./v8-settings.ts";

const usage = `usage: agent join <token>   enrol with a one-time token; "-" reads it from standard input,
                           so that it shows in no process list
       agent run            serve the resources of the configuration
       agent run --print-config`;

/** As the command line's own: 0 done, 1 refused, 2 misused, 3 unreachable. */
const exitStatus = { done: 0, refused: 1, misused: 2, unreachable: 3 } as const;
type ExitStatus = (typeof exitStatus)[keyof typeof exitStatus];

async function main([verb, argument, ...extra]: readonly string[]): Promise<ExitStatus> {
  if (verb === "join" && argument !== undefined && extra.length === 0) return join(argument === "-" ? await text(stdin) : argument);
  if (verb === "run" && argument === undefined) return run(loadConfig(env));
  if (verb === "run" && argument === "--print-config" && extra.length === 0) {
    stdout.write(printConfig(loadConfig(env), env));
    return exitStatus.done;
  }
  stderr.write(`${usage}\n`);
  return exitStatus.misused;
}

async function join(token: string): Promise<ExitStatus> {
  // The resources need not be configured yet: joining reads one setting only.
  const given = env["SALLYPORT_AGENT_STATE_DIR"];
  const stateDir = resolve(environmentSchema.shape.SALLYPORT_AGENT_STATE_DIR.parse(given === "" ? undefined : given));
  const outcome = await enrol(token, stateDir);
  switch (outcome.kind) {
    case "enrolled":
      stdout.write(`Enrolled as ${outcome.identity.agentName} (${outcome.identity.agentId}).\n`);
      return exitStatus.done;
    case "refused":
      throw outcome.error;
    case "unreachable":
      stderr.write(`The control plane cannot be reached: ${outcome.reason}\n`);
      return exitStatus.unreachable;
  }
}

async function run(config: AgentConfig): Promise<ExitStatus> {
  applyV8Settings();
  containDefects();
  const log = pino({ level: config.logLevel });
  logGrpc(log);
  const identity = await loadIdentity(config.stateDir);
  if (identity === undefined)
    throw new SallyportError("config.invalid", `${config.stateDir} holds no enrolled agent. Run \`sallyport agent join\` with a token first.`);
  const deps = { log, timeouts: config, maskKey: Buffer.from(identity.maskKey, "base64"), heldBytes: new HeldBytes(config.heldBytes) };
  const attestor = new Attestor(identity, log);
  const targets = new TargetDirectory(
    config.resources.map((resource) => ({ name: resource.name, labels: resource.labels, target: new PostgresTarget(resource, deps) })),
    (sessionId) => attestor.open(sessionId),
    log,
  );
  const signals = shutdownSignals(process, config.stopWithStdin ? stdin : undefined);
  const outcome = await runAgent({
    identity,
    stateDir: config.stateDir,
    agentVersion: manifest.version,
    resources: targets.resources,
    attestor,
    openSession: (open, channel) => targets.open(open, channel),
    drain: signals.drain,
    cut: signals.cut,
    drainTimeoutMs: DRAIN_TIMEOUT_MS,
    log: log.child({ agentId: identity.agentId }),
  });
  signals.dispose();
  if (outcome.kind === "fatal") throw outcome.error;
  log.info("agent stopped");
  return exitStatus.done;
}

try {
  process.exitCode = await main(argv.slice(2));
} catch (error) {
  if (!(error instanceof SallyportError)) throw error;
  stderr.write(`${error.code}: ${error.message}\n`);
  process.exitCode = error.code === "config.invalid" ? exitStatus.misused : exitStatus.refused;
}
