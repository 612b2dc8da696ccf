import { copyFileSync } from "node:fs";
import { join } from "node:path";
import { nodePrimitives } from "@sallyport/proto/audit/node-primitives";
import { parseVerifierKey } from "@sallyport/proto/audit/note";
import type { Finding, Verdict } from "@sallyport/proto/audit/verdict";
import { verifyBundle } from "@sallyport/proto/audit/verify-bundle";
import { verifyFile } from "@sallyport/cli/src/audit/verify-file.ts";
import { alterBundle, bundleAlterations, removalAlterations } from "./alter-bundle.ts";
import { alterLedger, ledgerAlterations } from "./alter-ledger.ts";
import type { VerifyPage } from "./browser.ts";
import type { Random } from "./random.ts";
import type { RealLog } from "./real-log.ts";

export interface Tally {
  alterations: number;
  readonly byKind: Map<string, number>;
  /** Untouched ones that were verified. */
  clean: number;
  /** Bundles that the page in the browser judged too. */
  inBrowser: number;
  /** What went wrong; empty is the only good answer. */
  readonly failures: string[];
}

export const newTally = (): Tally => ({ alterations: 0, byKind: new Map(), clean: 0, inBrowser: 0, failures: [] });

/** Every untouched artefact must verify, with and without the browser. */
export async function verifyClean(log: RealLog, tally: Tally, page: VerifyPage | undefined): Promise<void> {
  const ledger = await verifyFile(log.ledger, { keys: [log.key], witnessKeys: [], witness: log.witness });
  note(tally, "the ledger", ledger.kind === "verified" && ledger.unsigned === 0, ledger);
  for (const [name, text] of Object.entries(log.bundles)) {
    const verdict = await judge(Buffer.from(text), log.key);
    note(tally, `the bundle "${name}"`, verdict.kind === "verified", verdict);
    if (page === undefined) continue;
    const seen = await page.verify(Buffer.from(text), log.key);
    tally.inBrowser++;
    if (seen.kind !== "verified") tally.failures.push(`Untouched, but the page says ${JSON.stringify(seen)}: the bundle "${name}".`);
  }
}

/** One alteration of a copy of the ledger: found, at the right leaf. */
export async function drillLedger(log: RealLog, folder: string, random: Random, tally: Tally): Promise<void> {
  const copy = join(folder, "altered.db");
  copyFileSync(log.ledger, copy);
  const { kind, index } = await alterLedger(random.pick(ledgerAlterations), copy, random);
  const verdict = await verifyFile(copy, { keys: [log.key], witnessKeys: [], witness: log.witness });
  const right = verdict.kind === "tampered" && isNamed(verdict.finding, index);
  count(tally, `ledger: ${kind}`, right, `leaf ${index}`, verdict);
}

/** A leaf, or for one that was passed off as another stream's, the leaves among which it is. */
const isNamed = ({ index = -1, end = index + 1 }: Finding, altered: number): boolean =>
  index === altered || (end > index + 1 && altered >= index && altered < end);

/** One alteration of a bundle: found, at the right line; and by the page as well, to the same answer. */
export async function drillBundle(log: RealLog, random: Random, tally: Tally, page: VerifyPage | undefined): Promise<void> {
  const name = random.pick(["whole", "part", "selection"] as const);
  const { kind, bytes, lines } = await alterBundle(
    random.pick(hasRemoved(log.bundles[name]) ? [...bundleAlterations, ...removalAlterations] : bundleAlterations),
    log.bundles[name],
    random,
  );
  const verdict = await judge(bytes, log.key);
  const line = verdict.kind === "tampered" ? verdict.finding.line : undefined;
  count(tally, `bundle: ${kind}`, line !== undefined && lines.includes(line), `${name}, line ${lines.join(" or ")}`, verdict);
  if (page === undefined) return;
  const seen = await page.verify(bytes, log.key);
  tally.inBrowser++;
  const agrees = verdict.kind === "tampered" && seen.kind === "tampered" && seen.line === String(line ?? "") && seen.code === verdict.finding.code;
  if (!agrees) tally.failures.push(`The two verifiers differ on ${kind}: ${JSON.stringify(seen)} and ${JSON.stringify(verdict)}`);
}

const hasRemoved = (bundle: string): boolean => bundle.includes('"removed":{"leaf":');

async function judge(bytes: Uint8Array, keyText: string): Promise<Verdict> {
  const key = parseVerifierKey(nodePrimitives.sha256, keyText);
  if (key === undefined) throw new Error("Not a key.");
  async function* chunks(): AsyncGenerator<Uint8Array> {
    for (let at = 0; at < bytes.length; at += 65_536) yield bytes.subarray(at, at + 65_536);
  }
  return verifyBundle(nodePrimitives, chunks(), { keys: [key] });
}

function note(tally: Tally, what: string, good: boolean, verdict: Verdict): void {
  tally.clean++;
  if (!good) tally.failures.push(`Untouched, but not verified: ${what}: ${told(verdict)}`);
}

function count(tally: Tally, kind: string, right: boolean, where: string, verdict: Verdict): void {
  tally.alterations++;
  tally.byKind.set(kind, (tally.byKind.get(kind) ?? 0) + 1);
  if (!right) tally.failures.push(`${kind} at ${where}: ${told(verdict)}`);
}

const told = (verdict: Verdict): string => (verdict.kind === "tampered" ? JSON.stringify(verdict.finding) : `verified, ${verdict.unsigned} unsigned`);
