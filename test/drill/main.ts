import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { argv, stdout } from "node:process";
import { parseArgs } from "node:util";
import { VerifyPage } from "./browser.ts";
import { Random } from "./random.ts";
import { makeRealLog } from "./real-log.ts";
import { drillBundle, drillLedger, newTally, verifyClean } from "./tamper.ts";

/** Alters ledgers and bundles at random, and sees whether both verifiers find each alteration, at the right place. */
const { values } = parseArgs({
  args: argv.slice(2),
  options: {
    "count": { type: "string", default: "1000" },
    "events": { type: "string", default: "3000" },
    "seed": { type: "string", default: String(Date.now() % 1_000_000) },
    "no-browser": { type: "boolean", default: false },
  },
});
const [alterations, events, seed] = [Number(values.count), Number(values.events), Number(values.seed)];
const say = (text: string): boolean => stdout.write(`${text}\n`);
const folder = mkdtempSync(join(tmpdir(), "tamper-drill-"));
const tally = newTally();
let page: VerifyPage | undefined;
try {
  say(`Seed ${seed}: ${alterations} alterations of a ledger of ${events} events, and of bundles of it.`);
  const log = await makeRealLog(folder, { events, rounds: 6 });
  page = values["no-browser"] ? undefined : await VerifyPage.open();
  await verifyClean(log, tally, page);
  const random = new Random(seed);
  while (tally.alterations < alterations) {
    if (random.between(0, 2) === 0) await drillLedger(log, folder, random, tally);
    else await drillBundle(log, random, tally, page);
  }
  const connections = page?.requests.filter((url) => !url.startsWith("file:")) ?? [];
  if (connections.length > 0) tally.failures.push(`The page asked for ${connections.join(", ")}.`);
  for (const [kind, count] of [...tally.byKind].toSorted(([a], [b]) => a.localeCompare(b))) say(`${String(count).padStart(5)}  ${kind}`);
  for (const failure of tally.failures.slice(0, 20)) say(`FAILED  ${failure}`);
  const judged = page === undefined ? "the browser was left out" : `${tally.inBrowser} bundles judged by the page in Chromium as well`;
  say(`${tally.alterations} alterations, ${tally.clean} untouched; ${judged}; ${tally.failures.length} failures.`);
  process.exitCode = tally.failures.length === 0 ? 0 : 1;
} finally {
  await page?.close();
  rmSync(folder, { recursive: true, force: true });
}
