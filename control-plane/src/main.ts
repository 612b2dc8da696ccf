import { randomUUID } from "node:crypto";
import { treeHasher } from "@sallyport/proto/audit/merkle";
import { nodePrimitives } from "@sallyport/proto/audit/node-primitives";
import { SallyportError } from "@sallyport/proto/errors";
import { logGrpc } from "@sallyport/proto/grpc-log";
import pino from "pino";
import { startApiServer } from "./api/server.ts";
import { createApplication, systemClock } from "./application/application.ts";
import { createAuthority } from "./application/authority.ts";
import { createExecute } from "./application/execute-command.ts";
import { logSetAside, ownRecord } from "./application/own-record.ts";
import { RecordingRecord } from "./application/recording-record.ts";
import { createRetention } from "./application/retention/retention.ts";
import { systemScheduler } from "./application/scheduler.ts";
import { createTimeTravel } from "./application/time-travel/time-travel.ts";
import { systemContext } from "./application/use-case.ts";
import { createTrials } from "./application/what-if/trials.ts";
import { auditorAccess } from "./auditor-access.ts";
import { bootstrap, BOOTSTRAP_IDENTITY } from "./bootstrap.ts";
import { type Config, listed, loadConfig, printConfig } from "./config.ts";
import { makeDataDir } from "./data-dir.ts";
import { categoryOfStream, idOfStream, isRecordStream } from "./domain/record-streams.ts";
import { inspectPlan } from "./gateway/postgres/plan-text.ts";
import { inspectProposal } from "./gateway/postgres/inspect-proposal.ts";
import { createStatementAnalyser } from "./gateway/postgres/facts/analyser.ts";
import { PostgresPreviewer } from "./gateway/postgres/preview/postgres-previewer.ts";
import { PostgresGateway } from "./gateway/postgres/gateway.ts";
import { hostAndPort } from "./grpc/listen.ts";
import { CertificateAuthority } from "./identity/certificate-authority.ts";
import { ServerCertificate } from "./identity/server-certificate.ts";
import { startLedgerEndpoint } from "./ledger/endpoint/endpoint.ts";
import { openEventStoreDbLedger } from "./ledger/eventstoredb/eventstoredb-ledger.ts";
import { startIntegrity } from "./integrity.ts";
import type { LedgerPlace } from "./ledger/ledger-place.ts";
import { sealedLedger } from "./sealing/sealed-ledger.ts";
import { openSealing } from "./sealing/sealing.ts";
import { openSqliteLedger } from "./ledger/sqlite/sqlite-ledger.ts";
import { readChannels } from "./notify/channels-file.ts";
import { startNotifications } from "./notify/start-notifications.ts";
import { createCedarCompiler } from "./policy/compiler.ts";
import { rehearse } from "./policy/rehearsal.ts";
import { ReadModelsThread } from "./read-models/read-models-thread.ts";
import { enrolmentService } from "./tunnel/enrolment-service.ts";
import { onStopSignals } from "./stop-signals.ts";
import { startTunnelServer } from "./tunnel/server.ts";
import { VERSION } from "./version.ts";
import { WhatIfThread } from "./what-if/what-if-thread.ts";
import { applyV8Settings } from "./v8-settings.ts";

/** The composition root: everything is made here, and taken down in the opposite order. */
async function serve(config: Config): Promise<() => Promise<void>> {
  const { settings, host } = config;
  const log = pino({ level: settings.SALLYPORT_LOG_LEVEL, name: "control-plane" });
  logGrpc(log);
  const clock = systemClock;
  const channels = settings.SALLYPORT_NOTIFICATIONS === "" ? [] : readChannels(settings.SALLYPORT_NOTIFICATIONS, clock);
  makeDataDir(config.dataDir, "SALLYPORT_DATA_DIR");
  const ca = await CertificateAuthority.open(config.pkiDir);
  const certificate = await ServerCertificate.issue({ ca, names: config.serverNames, clock, scheduler: systemScheduler, log });
  const place: LedgerPlace =
    config.ledgerUrl === undefined ? { file: config.ledgerFile } : { url: config.ledgerUrl, deadlineMs: settings.SALLYPORT_LEDGER_DEADLINE_SECONDS * 1_000 };
  const attemptFailed = (attempt: number, reason: string): void => log.warn({ attempt, reason }, "the ledger cannot be reached yet");
  const stored =
    "file" in place ? await openSqliteLedger(place.file) : await openEventStoreDbLedger(place.url, { deadlineMs: place.deadlineMs, attemptFailed });
  const { sealer, subjects } = openSealing(config.subjectKeysFile);
  const readable = sealedLedger(stored, sealer);
  const ledger = ownRecord(readable, logSetAside(log));
  const nodeId = settings.SALLYPORT_NODE_ID;
  const compiler = createCedarCompiler();
  const analyser = createStatementAnalyser({ harmlessFunctions: listed(settings.SALLYPORT_PG_HARMLESS_FUNCTIONS) });
  const integrity = await startIntegrity({ config, ledger: stored, sealer, place, clock, log });
  const application = await createApplication({
    ledger,
    clock,
    log,
    compiler,
    rehearse: (engine, files) => rehearse(engine, files, async (sql) => (await analyser.analyse(Buffer.from(sql))).facts),
    subjects,
    nodeId,
    policyApprovals: settings.SALLYPORT_POLICY_APPROVALS,
    breakGlassWhileOverdue: settings.SALLYPORT_BREAK_GLASS_WHILE_OVERDUE === "allow",
  });
  const execute = createExecute({ ledger: application.failClosed.watch(ledger), clock });
  const notifications = await startNotifications({
    ledger,
    live: application.live,
    failClosed: application.failClosed,
    execute,
    channels,
    file: config.outboxFile,
    nodeId,
    clock,
    log,
  });
  await application.erasures.recover();
  await application.recovery.run(VERSION);
  await bootstrap(application.identities, config.bootstrapTokenFile, settings.SALLYPORT_BOOTSTRAP, systemContext(nodeId), log);

  await analyser.ready();
  const tunnel = await startTunnelServer({
    host,
    port: settings.SALLYPORT_TUNNEL_PORT,
    ca,
    credentials: certificate.grpcCredentials({ mutual: true }),
    agents: application.agents,
    resources: application.resources,
    forwarding: application.forwarding,
    clock,
    nodeId,
    log,
    window: settings.SALLYPORT_TUNNEL_WINDOW_BYTES,
  });
  // It may have been revoked. It comes back, to be told the same until this release is upgraded.
  application.live.closed.onClosed(({ stream, why }) => {
    if (categoryOfStream(stream) === "agent") tunnel.links.dismiss(idOfStream(stream), "closed", "session.ended", why.message);
  });
  const retention = createRetention({
    ledger: stored,
    record: ledger,
    proven: integrity.proven,
    hasher: treeHasher(nodePrimitives.sha256),
    rules: config.retention,
    execute,
    clock,
    scheduler: systemScheduler,
    log,
  });
  const readModels = new ReadModelsThread(
    { ledger: place, subjectKeys: config.subjectKeysFile, file: config.readModelsFile, logLevel: settings.SALLYPORT_LOG_LEVEL },
    log,
  );
  const trials = createTrials({ whatIf: new WhatIfThread({ ledger: place, subjectKeys: config.subjectKeysFile }, log), policies: application.policies, clock });
  const authority = createAuthority({
    policies: application.policies,
    clock,
    ...(settings.SALLYPORT_BOOTSTRAP === "always" ? { recovery: BOOTSTRAP_IDENTITY } : {}),
  });
  const advertised = (port: number): string => hostAndPort({ host: config.advertisedHost, port });
  const api = await startApiServer({
    host,
    port: settings.SALLYPORT_API_PORT,
    context: {
      identities: application.identities,
      authority,
      log,
      newCorrelationId: randomUUID,
      leftOut: () => ({ streams: application.live.closed.size, events: readModels.leftOut }),
    },
    application,
    ledger,
    readable,
    audit: integrity.audit,
    storedStream: (stream) => sealer.storedStream(stream),
    readModels,
    retention,
    notifications,
    timeTravel: createTimeTravel({ ledger, clock, compiler }),
    trials,
    links: tunnel.links,
    previews: application.previews(new PostgresPreviewer(tunnel.links, analyser)),
    inspectProposal: (statement, bound) => inspectProposal(analyser, statement, bound),
    inspectPlan: (text, bound) => inspectPlan(analyser, text, bound),
    enrolment: enrolmentService({ agents: application.agents, ca, tunnelAddress: () => advertised(tunnel.port), log }),
    credentials: certificate.grpcCredentials(),
    caFingerprint: ca.caFingerprint,
    address: advertised,
    maxTokenTtlSeconds: settings.SALLYPORT_TOKEN_TTL_MAX_SECONDS,
    maxJoinTtlSeconds: settings.SALLYPORT_JOIN_TTL_MAX_SECONDS,
  });

  const endpointPort = settings.SALLYPORT_LEDGER_ENDPOINT_PORT;
  const endpoint =
    endpointPort === "off"
      ? undefined
      : await startLedgerEndpoint({
          ledger: settings.SALLYPORT_LEDGER_ENDPOINT_PERSONAL_DATA === "readable" ? readable : stored,
          access: auditorAccess(application.identities, authority, listed(settings.SALLYPORT_LEDGER_ENDPOINT_STREAMS)),
          log,
          host,
          port: endpointPort,
          credentials: certificate.grpcCredentials(),
          isOurs: isRecordStream,
        });

  const watched = application.failClosed.watch(ledger);
  const postgres = new PostgresGateway({
    nodeId,
    identities: application.identities,
    resources: application.resources,
    policies: application.policies,
    approvals: application.approvals,
    grants: application.grants,
    links: tunnel.links,
    analyser,
    clock,
    log,
    limits: {
      authenticationMillis: settings.SALLYPORT_PG_AUTH_TIMEOUT_SECONDS * 1_000,
      unauthenticatedConnections: settings.SALLYPORT_PG_MAX_UNAUTHENTICATED,
      sessions: settings.SALLYPORT_PG_MAX_SESSIONS,
      sessionsPerIdentity: settings.SALLYPORT_PG_MAX_SESSIONS_PER_IDENTITY,
      messageBytes: settings.SALLYPORT_PG_MAX_MESSAGE_BYTES,
      largeMessageBytes: settings.SALLYPORT_PG_LARGE_MESSAGE_BYTES,
      openMillis: settings.SALLYPORT_PG_OPEN_TIMEOUT_SECONDS * 1_000,
      holdMillis: settings.SALLYPORT_PG_HOLD_SECONDS * 1_000,
      transactionHoldMillis: settings.SALLYPORT_PG_TRANSACTION_HOLD_SECONDS * 1_000,
      clientStallMillis: settings.SALLYPORT_PG_CLIENT_STALL_SECONDS * 1_000,
      outputChunkBytes: settings.SALLYPORT_TUNNEL_WINDOW_BYTES / 4,
    },
    secureContext: () => certificate.secureContext,
    overlapReads: settings.SALLYPORT_PG_READ_OVERLAP === "on",
    guard: () => application.failClosed.guard(),
    openRecord: (sessionId, context) => {
      const session = application.openRecord(sessionId);
      const maxBytes = settings.SALLYPORT_PG_MAX_RECORDED_BYTES;
      const recording = new RecordingRecord({ ledger: watched, clock, scheduler: systemScheduler, maxBytes }, sessionId);
      return {
        session: { append: (events, patience) => session.append(events, context, { patience }), drained: () => session.drained() },
        recording: {
          reserve: (count) => recording.reserve(count),
          append: (events) => recording.append(events, context),
          get full() {
            return recording.full;
          },
        },
      };
    },
    register: (session, end, reconsider) => application.running.register(session, end, reconsider),
  });
  const postgresPort = await postgres.listen(host, settings.SALLYPORT_PG_PORT);
  retention.schedule(settings.SALLYPORT_RETENTION_EVERY_HOURS * 3_600_000, systemContext(nodeId));
  log.info(
    {
      postgresPort,
      tunnelPort: tunnel.port,
      apiPort: api.port,
      ledgerEndpointPort: endpoint?.port,
      advertisedHost: config.advertisedHost,
      dataDir: config.dataDir,
    },
    "control plane ready",
  );

  return async () => {
    await postgres.close();
    await endpoint?.close();
    await api.close();
    await tunnel.close();
    await analyser.close();
    await readModels.close();
    await trials.close();
    await retention.close();
    await notifications.close();
    await application.close();
    await integrity.close();
    await certificate.close();
    await ledger.close();
    log.info("control plane stopped");
  };
}

async function main(args: readonly string[]): Promise<void> {
  if (args.some((argument) => argument !== "--print-config")) throw new SallyportError("config.invalid", "usage: control-plane [--print-config]");
  const config = loadConfig(process.env);
  if (args.length > 0) {
    process.stdout.write(printConfig(config, process.env));
    return;
  }
  applyV8Settings();
  const serving = serve(config);
  // Before it is ready: whoever hears that it is may stop it at once.
  const begin = onStopSignals(process, {
    stop: () =>
      void serving
        .then((stop) => stop())
        .then(
          () => process.exit(0),
          (error: unknown) => {
            process.stderr.write(`${String(error)}\n`);
            process.exit(1);
          },
        ),
    cut: () => process.exit(1),
  });
  if (config.settings.SALLYPORT_STOP_WITH_STDIN === "on") process.stdin.on("end", begin).resume();
  await serving;
}

try {
  await main(process.argv.slice(2));
} catch (error) {
  const known = SallyportError.from(error);
  const cause = known.code === "internal" && known.cause instanceof Error ? `\n${known.cause.stack ?? ""}` : "";
  process.stderr.write(`${known.code}: ${known.message}${cause}\n`);
  process.exit(known.code === "config.invalid" ? 2 : 1);
}
