import { createWriteStream, existsSync, statSync } from "node:fs";
import { rename, rm, writeFile } from "node:fs/promises";
import { pipeline } from "node:stream/promises";
import type { ExportRequest } from "@sallyport/proto/gen/sallyport/api/v1/audit";
import type { Command } from "commander";
import { completenessVerb } from "./audit/completeness-verb.ts";
import { eventsIn } from "./audit/show-bundle.ts";
import { tellVerdict } from "./audit/tell-verdict.ts";
import { isLedger, verifyFile } from "./audit/verify-file.ts";
import { exitStatus, Misuse } from "./exit-status.ts";
import { toJson } from "./io.ts";
import { spelledMoment } from "./moment.ts";
import { runVerb, type Verb } from "./verb.ts";

interface ExportOptions {
  readonly from?: string;
  readonly to?: string;
  readonly session?: string;
  readonly identity?: string;
  readonly resource?: string;
  readonly sealed?: boolean;
  readonly output: string;
}

interface VerifyOptions {
  readonly key?: readonly string[];
  readonly witnessKey?: readonly string[];
  readonly witness?: string;
}

export function auditVerb(program: Command): void {
  const audit = program.command("audit").description("proof that nothing that was recorded has been altered, for auditors");
  audit
    .command("export")
    .description("write a bundle: events with everything that is needed to verify them elsewhere")
    .option("--from <position|instant>", "first event; default: the first of all")
    .option("--to <position|instant>", "last event; default: the last that is signed")
    .option("--session <id>", "only what is about this session")
    .option("--identity <id>", "only what is about this identity's sessions")
    .option("--resource <name>", "only what is about sessions on this resource")
    .option("--sealed", "without the keys that open personal data: it verifies all the same")
    .requiredOption("-o, --output <file>", "the bundle")
    .action((options: ExportOptions, command: Command) => runVerb(command, (verb) => exportBundle(verb, options)));
  audit
    .command("verify")
    .argument("<file>", "a bundle, or a ledger file")
    .option("--key <key...>", "verifier key of the log, or a file that holds it, from a place that you trust")
    .option("--witness <file>", "what a witness kept; for a ledger")
    .option("--witness-key <key...>", "witnesses that must have signed the checkpoint; for a bundle")
    .description("find what was altered, dropped, inserted, reordered or cut; needs no control plane")
    .action((file: string, options: VerifyOptions, command: Command) =>
      runVerb(command, async (verb) => {
        const started = performance.now();
        const verdict = await verifyFile(file, { keys: options.key ?? [], witnessKeys: options.witnessKey ?? [], witness: options.witness });
        tellVerdict(verb, verdict, (performance.now() - started) / 1_000);
        return verdict.kind === "verified" ? exitStatus.done : exitStatus.refused;
      }),
    );
  audit
    .command("show")
    .argument("<bundle>", "a bundle that was exported")
    .option("--key <key...>", "verifier key of the log, or a file that holds it, from a place that you trust")
    .description("verify a bundle, then print its events, a line of JSON each, with the personal data that it has keys for")
    .action((file: string, options: VerifyOptions, command: Command) =>
      runVerb(command, async (verb) => {
        if (await isLedger(file)) throw new Misuse(`${file} is a ledger: export a bundle from it first.`);
        const verdict = await verifyFile(file, { keys: options.key ?? [], witnessKeys: [], witness: undefined });
        if (verdict.kind !== "verified") {
          tellVerdict(verb, verdict, 0);
          return exitStatus.refused;
        }
        for await (const event of eventsIn(file)) verb.io.out(JSON.stringify(event));
        return exitStatus.done;
      }),
    );
  completenessVerb(audit);
  audit
    .command("verify-page")
    .description("write the verifier as one HTML file, which verifies bundles in a browser without a network")
    .requiredOption("-o, --output <file>", "the page")
    .action(({ output }: { output: string }, command: Command) =>
      runVerb(command, async ({ io }) => {
        // The bundler is needed here only.
        const { buildPage } = await import("./audit/build-page.ts");
        await writeFile(output, await buildPage());
        io.out(io.json ? toJson({ file: output }) : `${output}: open it in a browser, and drop a bundle on it.`);
      }),
    );
  audit
    .command("key")
    .description("the key of the log, to be kept outside of it; with --json the last checkpoint, too")
    .action((_options, command: Command) =>
      runVerb(command, async ({ io, api }) => {
        const head = await api().audit.getCheckpoint({});
        io.out(io.json ? toJson(head) : head.key);
      }),
    );
  audit
    .command("promise")
    .argument("<stream>", "such as session-…")
    .argument("<revision>", "of the event in its stream")
    .description("a signed promise that this event is in the log, before a checkpoint covers it")
    .action((stream: string, revision: string, _options, command: Command) =>
      runVerb(command, async ({ io, api }) => {
        if (!/^\d{1,18}$/u.test(revision)) throw new Misuse("A revision is a number from 0.");
        const promised = await api().audit.promiseEvent({ stream, revision: BigInt(revision) });
        io.out(io.json ? toJson(promised) : promised.note.trimEnd());
      }),
    );
}

/** Under another name until it is whole, so that what is there is never half a bundle. */
async function exportBundle({ io, api }: Verb, options: ExportOptions): Promise<void> {
  // It is put in the place of what is there: of a device or a pipe, that would be the end.
  if (existsSync(options.output) && !statSync(options.output).isFile()) throw new Misuse(`${options.output} is not a file.`);
  const draft = `${options.output}.part`;
  let bytes = 0;
  async function* bundle(): AsyncGenerator<Uint8Array> {
    for await (const { data } of api().audit.export(requestOf(options))) {
      bytes += data.length;
      yield data;
    }
  }
  try {
    await pipeline(bundle(), createWriteStream(draft, { mode: 0o600 }));
    await rename(draft, options.output);
  } catch (error) {
    await rm(draft, { force: true });
    throw error;
  }
  io.out(io.json ? toJson({ file: options.output, bytes }) : `${bytes} bytes in ${options.output}. Verify: sallyport audit verify ${options.output} --key …`);
}

function requestOf({ from, to, session, identity, resource, sealed = false }: ExportOptions): ExportRequest {
  const scopes: ExportRequest["scope"][] = [];
  if (from !== undefined || to !== undefined) scopes.push({ $case: "range", value: { from: placed(from), to: placed(to) } });
  if (session !== undefined) scopes.push({ $case: "sessionId", value: session });
  if (identity !== undefined) scopes.push({ $case: "identityId", value: identity });
  if (resource !== undefined) scopes.push({ $case: "resource", value: resource });
  if (scopes.length > 1) throw new Misuse("Choose one: a range (--from, --to), --session, --identity or --resource.");
  return { scope: scopes[0] ?? { $case: "range", value: { from: "", to: "" } }, sealed };
}

const placed = (moment: string | undefined): string => (moment === undefined ? "" : spelledMoment(moment));
