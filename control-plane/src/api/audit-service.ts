import type { AuditServiceServer, ExportRequest, ExportResponse } from "@sallyport/proto/gen/sallyport/api/v1/audit";
import { SallyportError } from "@sallyport/proto/errors";
import { type AuditScope, streamsAbout } from "../application/audit-selection.ts";
import type { Retention } from "../application/retention/retention.ts";
import type { Ledger } from "../ledger/ledger.ts";
import { ADMINS, AUDITORS, requireGroup } from "./authorise.ts";
import { reportView, ruleView, runView } from "./retention-views.ts";
import { type ApiContext, streaming, unary } from "./unary.ts";

/** What the service needs of the log. */
export interface Audit {
  range(from: string, to: string): AsyncIterable<string>;
  streams(selection: AuditScope & { readonly streams: ReadonlySet<string> }): AsyncIterable<string>;
  promise(stream: string, revision: bigint): Promise<{ readonly position: bigint; readonly leafHash: string; readonly note: string }>;
  head(): { readonly note: string; readonly key: string; readonly treeSize: number };
}

export interface AuditServiceDeps {
  readonly audit: Audit;
  readonly ledger: Ledger;
  readonly retention: Pick<Retention, "rules" | "lastRuns" | "preview" | "run">;
}

const DEFAULT_RUNS = 10;
/** A year of daily runs. */
const MAX_RUNS = 400;

/** Lines are gathered into messages of about this size: a message each would cost more than the line. */
const MESSAGE_BYTES = 65_536;

export function auditService(api: ApiContext, { audit, ledger, retention }: AuditServiceDeps): AuditServiceServer {
  return {
    export: streaming(api, ({ scope }, { principal }) => {
      requireGroup(principal, AUDITORS, ADMINS);
      return messages(linesOf(audit, ledger, scope));
    }),
    promiseEvent: unary(api, ({ stream, revision }, { principal }) => {
      requireGroup(principal, AUDITORS, ADMINS);
      return audit.promise(stream, revision);
    }),
    getRetention: unary(api, async ({ runs }, { principal }) => {
      requireGroup(principal, AUDITORS, ADMINS);
      const last = await retention.lastRuns(Math.min(runs || DEFAULT_RUNS, MAX_RUNS));
      return { rules: retention.rules.map(ruleView), runs: last.map(runView) };
    }),
    runRetention: unary(api, async ({ dryRun }, { principal, context }) => {
      requireGroup(principal, ADMINS);
      return reportView(await (dryRun ? retention.preview() : retention.run("administrator", context)));
    }),
    getCheckpoint: unary(api, (_request, { principal }) => {
      requireGroup(principal, AUDITORS, ADMINS);
      const { note, key, treeSize } = audit.head();
      return { note, key, treeSize: BigInt(treeSize) };
    }),
  };
}

async function* linesOf(audit: Audit, ledger: Ledger, scope: ExportRequest["scope"]): AsyncGenerator<string> {
  switch (scope?.$case) {
    case "range":
      yield* audit.range(scope.value.from, scope.value.to);
      return;
    case "sessionId":
      yield* selected(audit, ledger, { kind: "session", value: scope.value });
      return;
    case "identityId":
      yield* selected(audit, ledger, { kind: "identity", value: scope.value });
      return;
    case "resource":
      yield* selected(audit, ledger, { kind: "resource", value: scope.value });
      return;
    case undefined:
      throw new SallyportError("input.invalid", "Say what to export: a range, a session, an identity or a resource.");
  }
}

async function* selected(audit: Audit, ledger: Ledger, scope: AuditScope): AsyncGenerator<string> {
  yield* audit.streams({ ...scope, streams: await streamsAbout(ledger, scope) });
}

async function* messages(lines: AsyncIterable<string>): AsyncGenerator<ExportResponse> {
  let gathered: string[] = [];
  let length = 0;
  for await (const line of lines) {
    gathered.push(line);
    length += line.length;
    if (length < MESSAGE_BYTES) continue;
    yield { data: Buffer.from(gathered.join("")) };
    gathered = [];
    length = 0;
  }
  if (length > 0) yield { data: Buffer.from(gathered.join("")) };
}
