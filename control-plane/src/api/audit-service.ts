import type { AuditServiceServer, ExportRequest, ExportResponse } from "@sallyport/proto/gen/sallyport/api/v1/audit";
import { SallyportError } from "@sallyport/proto/errors";
import type { ForgottenSubject } from "@sallyport/proto/audit/bundle-format";
import { type AuditScope, streamsAbout } from "../application/audit-selection.ts";
import type { Erasures, ErasureView } from "../application/ports.ts";
import type { RecordedResources } from "../application/recorded-resources.ts";
import type { Retention } from "../application/retention/retention.ts";
import type { Sessions } from "../application/sessions.ts";
import type { AuthorityQuestion } from "../domain/authority.ts";
import type { Principal } from "../domain/decision.ts";
import type { Ledger } from "../ledger/ledger.ts";
import { reportView, ruleView, runView } from "./retention-views.ts";
import { type ApiContext, streaming, unary } from "./unary.ts";

interface ExportOptions {
  /** Without the keys that open personal data. */
  readonly sealed: boolean;
  readonly forgotten: readonly ForgottenSubject[];
}

/** What the service needs of the log. */
export interface Audit {
  range(from: string, to: string, options: ExportOptions): AsyncIterable<string>;
  streams(selection: AuditScope & { readonly streams: ReadonlySet<string> }, options: ExportOptions): AsyncIterable<string>;
  promise(stream: string, revision: bigint): Promise<{ readonly position: bigint; readonly leafHash: string; readonly note: string }>;
  head(): { readonly note: string; readonly key: string; readonly treeSize: number };
}

export interface AuditServiceDeps {
  readonly audit: Audit;
  readonly ledger: Ledger;
  readonly retention: Pick<Retention, "rules" | "lastRuns" | "preview" | "run">;
  readonly erasures: Pick<Erasures, "list">;
  readonly sessions: Pick<Sessions, "get">;
  readonly resources: RecordedResources;
  /** What a stream is called where it is stored. */
  readonly storedStream: (stream: string) => string;
}

const DEFAULT_RUNS = 10;
/** A year of daily runs. */
const MAX_RUNS = 400;

/** Lines are gathered into messages of about this size: a message each would cost more than the line. */
const MESSAGE_BYTES = 65_536;

export function auditService(api: ApiContext, { audit, ledger, erasures, storedStream, retention, sessions, resources }: AuditServiceDeps): AuditServiceServer {
  async function* linesOf({ scope, sealed }: ExportRequest): AsyncGenerator<string> {
    const options = { sealed, forgotten: (await erasures.list()).filter(({ state }) => state === "destroyed").map((each) => forgottenSubject(each, sealed)) };
    if (scope?.$case === "range") {
      yield* audit.range(scope.value.from, scope.value.to, options);
      return;
    }
    const about = selectionOf(scope);
    const streams = new Set(Array.from(await streamsAbout(ledger, about), storedStream));
    yield* audit.streams({ ...about, ...(sealed ? { value: "" } : {}), streams }, options);
  }
  /** What is about one resource needs no more than that resource. */
  async function scopeOf({ scope }: ExportRequest, principal: Principal): Promise<AuthorityQuestion> {
    const record = { principal, action: "replay", area: "record" } as const;
    if (scope?.$case === "resource") return { ...record, resource: resources.of(scope.value) };
    if (scope?.$case !== "sessionId") return record;
    try {
      return { ...record, resource: resources.of((await sessions.get(scope.value)).resource) };
    } catch {
      return record; // it is gone, or never was; its stream has what is left
    }
  }
  return {
    export: streaming(api, async function* (request, { principal }) {
      api.authority.require(await scopeOf(request, principal));
      yield* messages(linesOf(request));
    }),
    promiseEvent: unary(api, ({ stream, revision }) => audit.promise(storedStream(stream), revision)),
    getRetention: unary(api, async ({ runs }) => {
      const last = await retention.lastRuns(Math.min(runs || DEFAULT_RUNS, MAX_RUNS));
      return { rules: retention.rules.map(ruleView), runs: last.map(runView) };
    }),
    runRetention: unary(api, async ({ dryRun }, { context }) => reportView(await (dryRun ? retention.preview() : retention.run("administrator", context)))),
    getCheckpoint: unary(api, () => {
      const { note, key, treeSize } = audit.head();
      return { note, key, treeSize: BigInt(treeSize) };
    }),
  };
}

function selectionOf(scope: Exclude<ExportRequest["scope"], { $case: "range" }>): AuditScope {
  switch (scope?.$case) {
    case "sessionId":
      return { kind: "session", value: scope.value };
    case "identityId":
      return { kind: "identity", value: scope.value };
    case "resource":
      return { kind: "resource", value: scope.value };
    case undefined:
      throw new SallyportError("input.invalid", "Say what to export: a range, a session, an identity or a resource.");
  }
}

/** Whoever must not read names does not read those of the approvers either: the events have them, sealed. */
function forgottenSubject({ id, subject, requestedBy, approvers, requestedAt }: ErasureView, sealed: boolean): ForgottenSubject {
  const people = sealed ? { requestedBy: "", approvers: [] } : { requestedBy, approvers };
  return { subject, erasureId: id, ...people, requestedAt: requestedAt.toISOString() };
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
