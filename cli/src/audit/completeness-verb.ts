import { createReadStream, existsSync, statSync } from "node:fs";
import { createInterface } from "node:readline";
import { parseEventLine } from "@sallyport/proto/audit/bundle-format";
import { SallyportError } from "@sallyport/proto/errors";
import type { Command } from "commander";
import { exitStatus, Misuse } from "../exit-status.ts";
import { bold, toJson, tone } from "../io.ts";
import { runVerb, type Verb } from "../verb.ts";
import { type AuditedEvent, Completeness, type CompletenessReport, type Gap } from "./completeness.ts";
import { ledgerLeaves } from "./ledger-leaves.ts";
import { tellVerdict } from "./tell-verdict.ts";
import { isLedger, verifyFile } from "./verify-file.ts";

export function completenessVerb(audit: Command): void {
  audit
    .command("completeness")
    .argument("<file>", "a bundle of a whole range, which is verified first; or a ledger file: verify that yourself")
    .option("--key <key...>", "of a bundle, verifier key of the log, or a file that holds it, from a place that you trust")
    .description("compare what is recorded with what the agents signed that they forwarded; needs no control plane")
    .action((file: string, { key = [] }: { readonly key?: readonly string[] }, command: Command) =>
      runVerb(command, async (verb) => {
        if (!existsSync(file) || statSync(file).isDirectory()) throw new Misuse(`There is no file ${file}.`);
        // What is no bundle has no session that could disagree.
        const verdict = (await isLedger(file)) ? undefined : await verifyFile(file, { keys: key, witnessKeys: [], witness: undefined });
        if (verdict?.kind === "tampered") {
          tellVerdict(verb, verdict, 0);
          return exitStatus.refused;
        }
        const report = await completenessOf(file);
        tell(verb, report);
        return report.moreGaps === 0 && report.gaps.every(({ outage }) => outage !== undefined) ? exitStatus.done : exitStatus.refused;
      }),
    );
}

async function completenessOf(path: string): Promise<CompletenessReport> {
  const completeness = new Completeness();
  for await (const { stream, event, isEvidence } of (await isLedger(path)) ? inLedger(path) : inBundle(path)) {
    if (isEvidence === true) completeness.shown(event);
    else completeness.add(event, stream);
  }
  return completeness.report();
}

interface Found {
  readonly stream: string;
  readonly event: AuditedEvent;
  /** It comes before its time, and stands in the range again if it is part of it. */
  readonly isEvidence?: boolean;
}

function* inLedger(path: string): Generator<Found> {
  for (const leaf of ledgerLeaves(path)) {
    if (leaf.kind === "broken")
      throw new SallyportError("ledger.corrupt", `${path} holds something that is not an event, at position ${leaf.position}: run "audit verify".`);
    if (leaf.kind === "event") yield found({ ...leaf.event });
  }
}

async function* inBundle(path: string): AsyncGenerator<Found> {
  for await (const line of createInterface({ input: createReadStream(path) })) {
    const parsed = parseEventLine(Buffer.from(line));
    if (parsed === undefined || parsed.kind === "removed") continue;
    const event = found(JSON.parse(Buffer.from(parsed.event).toString("utf8")) as Readonly<Record<string, unknown>>);
    yield { ...event, isEvidence: parsed.kind === "evidence" };
  }
}

const found = (event: Readonly<Record<string, unknown>>): Found => ({
  stream: String(event["stream"]),
  event: { type: String(event["type"]), data: objectOf(event["data"]), at: String(objectOf(event["metadata"])["at"]) },
});

const objectOf = (value: unknown): Readonly<Record<string, unknown>> =>
  typeof value === "object" && value !== null ? (value as Readonly<Record<string, unknown>>) : {};

const sentences: Readonly<Record<Gap["what"], string>> = {
  forwarded_unrecorded: "the agent forwarded more commands than are recorded",
  recorded_unforwarded: "results are recorded of commands that the agent did not forward",
  statement_forged: "the statement is not signed by the session's agent",
  statement_missing: "commands ran, and the agent made no last statement",
};

function tell({ io }: Verb, report: CompletenessReport): void {
  if (io.json) return io.out(toJson(report));
  const { complete, pending, gaps, moreGaps } = report;
  io.out(`${complete} sessions agree with what their agents forwarded${pending === 0 ? "" : `; ${pending} are not over yet`}.`);
  for (const { sessionId, what, stated, recorded, outage } of gaps) {
    const [fewest, most] = recorded;
    const counts = `forwarded ${stated < 0 ? "unknown" : stated}, recorded ${fewest === most ? fewest : `${fewest} to ${most}`}`;
    io.out(
      `${outage === undefined ? tone("red", "UNEXPLAINED") : tone("yellow", "outage     ")} ${bold(sessionId)}  ${sentences[what]} (${counts})${outage === undefined ? "" : `: ${outage}`}`,
    );
  }
  if (moreGaps > 0) io.out(tone("red", `and ${moreGaps} more.`));
}
