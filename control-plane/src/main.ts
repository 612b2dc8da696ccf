import "./v8-settings.ts";
import { mkdirSync } from "node:fs";
import { randomUUID } from "node:crypto";
import { createSecureContext } from "node:tls";
import { SallyportError } from "@sallyport/proto/errors";
import pino from "pino";
import { startApiServer } from "./api/server.ts";
import { createApplication, systemClock } from "./application/application.ts";
import { RecordingRecord } from "./application/recording-record.ts";
import { systemContext } from "./application/use-case.ts";
import { bootstrap } from "./bootstrap.ts";
import { type Config, loadConfig } from "./config.ts";
import { createStatementAnalyser } from "./gateway/postgres/facts/analyser.ts";
import { PostgresGateway } from "./gateway/postgres/gateway.ts";
import { CertificateAuthority } from "./identity/certificate-authority.ts";
import { openSqliteLedger } from "./ledger/sqlite/sqlite-ledger.ts";
import { createCedarCompiler } from "./policy/compiler.ts";
import { enrolmentService } from "./tunnel/enrolment-service.ts";
import { startTunnelServer } from "./tunnel/server.ts";
import { VERSION } from "./version.ts";

/** The composition root: everything is made here, and taken down in the opposite order. */
async function serve(config: Config): Promise<() => Promise<void>> {
  const { settings, host } = config;
  const log = pino({ level: settings.SALLYPORT_LOG_LEVEL, name: "control-plane" });
  mkdirSync(config.dataDir, { recursive: true, mode: 0o700 });
  const ca = await CertificateAuthority.open(config.pkiDir);
  const credential = await ca.issueServer(config.serverNames);
  const ledger = await openSqliteLedger(config.ledgerFile);
  const clock = systemClock;
  const nodeId = settings.SALLYPORT_NODE_ID;
  const application = await createApplication({ ledger, clock, log, compiler: createCedarCompiler(), nodeId });
  await application.recovery.run(VERSION);
  await bootstrap(application.identities, config.bootstrapTokenFile, settings.SALLYPORT_BOOTSTRAP, systemContext(nodeId), log);

  const analyser = createStatementAnalyser();
  await analyser.ready();
  const tunnel = await startTunnelServer({
    host,
    port: settings.SALLYPORT_TUNNEL_PORT,
    ca,
    credential,
    agents: application.agents,
    resources: application.resources,
    clock,
    nodeId,
    log,
    window: settings.SALLYPORT_TUNNEL_WINDOW_BYTES,
  });
  const advertised = (port: number): string => `${config.advertisedHost.includes(":") ? `[${config.advertisedHost}]` : config.advertisedHost}:${port}`;
  const api = await startApiServer({
    host,
    port: settings.SALLYPORT_API_PORT,
    context: { identities: application.identities, log, newCorrelationId: randomUUID },
    application,
    ledger,
    links: tunnel.links,
    enrolment: enrolmentService({ agents: application.agents, ca, tunnelAddress: () => advertised(tunnel.port), log }),
    credential,
    caFingerprint: ca.caFingerprint,
    address: advertised,
    maxTokenTtlSeconds: settings.SALLYPORT_TOKEN_TTL_MAX_SECONDS,
    maxJoinTtlSeconds: settings.SALLYPORT_JOIN_TTL_MAX_SECONDS,
  });

  const secureContext = createSecureContext({ cert: credential.certPem, key: credential.keyPem, minVersion: "TLSv1.2" });
  const watched = application.failClosed.watch(ledger);
  const postgres = new PostgresGateway({
    nodeId,
    identities: application.identities,
    resources: application.resources,
    policies: application.policies,
    approvals: application.approvals,
    links: tunnel.links,
    analyser,
    clock,
    log,
    limits: {
      authenticationMillis: settings.SALLYPORT_PG_AUTH_TIMEOUT_SECONDS * 1_000,
      unauthenticatedConnections: settings.SALLYPORT_PG_MAX_UNAUTHENTICATED,
      sessions: settings.SALLYPORT_PG_MAX_SESSIONS,
      messageBytes: settings.SALLYPORT_PG_MAX_MESSAGE_BYTES,
      largeMessageBytes: settings.SALLYPORT_PG_LARGE_MESSAGE_BYTES,
      openMillis: settings.SALLYPORT_PG_OPEN_TIMEOUT_SECONDS * 1_000,
      holdMillis: settings.SALLYPORT_PG_HOLD_SECONDS * 1_000,
      clientStallMillis: settings.SALLYPORT_PG_CLIENT_STALL_SECONDS * 1_000,
    },
    secureContext: () => secureContext,
    overlapReads: settings.SALLYPORT_PG_READ_OVERLAP === "on",
    guard: () => application.failClosed.guard(),
    openRecord: (sessionId, context) => {
      const session = application.openRecord(sessionId);
      const recording = new RecordingRecord({ ledger: watched, clock }, sessionId);
      return {
        session: { append: (events, patience) => session.append(events, context, { patience }), drained: () => session.drained() },
        recording: { append: (event) => recording.append(event, context) },
      };
    },
    register: (session, end) => application.running.register(session, end),
  });
  const postgresPort = await postgres.listen(host, settings.SALLYPORT_PG_PORT);
  log.info(
    { postgresPort, tunnelPort: tunnel.port, apiPort: api.port, advertisedHost: config.advertisedHost, dataDir: config.dataDir, pid: process.pid },
    "control plane ready",
  );

  return async () => {
    await postgres.close();
    await api.close();
    await tunnel.close();
    await analyser.close();
    await application.close();
    await ledger.close();
    log.info("control plane stopped");
  };
}

try {
  const config = loadConfig(process.env);
  const stop = await serve(config);
  let stopping = false;
  const onSignal = (): void => {
    // The second signal cuts at once.
    if (stopping) process.exit(1);
    stopping = true;
    stop().then(
      () => process.exit(0),
      (error: unknown) => {
        process.stderr.write(`${String(error)}\n`);
        process.exit(1);
      },
    );
  };
  process.on("SIGTERM", onSignal).on("SIGINT", onSignal);
  if (config.settings.SALLYPORT_STOP_WITH_STDIN === "on") process.stdin.on("end", onSignal).resume();
} catch (error) {
  const known = SallyportError.from(error);
  const cause = known.code === "internal" && known.cause instanceof Error ? `\n${known.cause.stack ?? ""}` : "";
  process.stderr.write(`${known.code}: ${known.message}${cause}\n`);
  process.exit(known.code === "config.invalid" ? 2 : 1);
}
