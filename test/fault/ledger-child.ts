import { randomUUID } from "node:crypto";
import { createInterface } from "node:readline";
import { argv, stdin, stdout } from "node:process";
import type { ExpectedRevision, NewEvent } from "../../control-plane/src/ledger/ledger.ts";
import { openSqliteLedger } from "../../control-plane/src/ledger/sqlite/sqlite-ledger.ts";
import { SallyportError } from "@sallyport/proto/errors";

/**
 * A process of its own that holds a ledger, for tests that kill it or take its disk away. `ledger-child.ts <mode> <file>`:
 *   load   16 writers append without pause; prints "acked <stream> <id>" for each event that was acknowledged
 *   obey   for each line "<stream> <expected> <id>" on stdin appends one event; prints "<id> <outcome> <longest gap of the loop in ms>"
 */
const [mode = "", file = ""] = argv.slice(2);
const metadata = { $correlationId: randomUUID(), actor: { kind: "system", id: "test" }, schemaVersion: 1, at: "2026-11-22T10:00:00.000Z" } as const;
const event = (id: string): NewEvent => ({ id, type: "Tested", data: { text: "x".repeat(200) }, metadata });

async function load(): Promise<void> {
  const ledger = await openSqliteLedger(file);
  const write = async (stream: string): Promise<never> => {
    let revision: ExpectedRevision = "none";
    for (;;) {
      const events = Array.from({ length: 3 }, () => event(randomUUID()));
      ({ revision } = await ledger.append(stream, events, revision));
      stdout.write(events.map(({ id }) => `acked ${stream} ${id}\n`).join(""));
    }
  };
  await Promise.all(Array.from({ length: 16 }, () => write(`load-${randomUUID()}`)));
}

async function obey(): Promise<void> {
  const ledger = await openSqliteLedger(file);
  let last = performance.now();
  let gap = 0;
  setInterval(() => {
    gap = Math.max(gap, performance.now() - last);
    last = performance.now();
  }, 5).unref();
  stdout.write("ready\n");
  for await (const line of createInterface({ input: stdin })) {
    const [stream = "", expected = "", id = ""] = line.split(" ");
    [last, gap] = [performance.now(), 0];
    const outcome = await ledger.append(stream, [event(id)], expected === "none" ? "none" : BigInt(expected)).then(
      ({ revision }) => `revision:${revision}`,
      (error: unknown) => (error instanceof SallyportError ? error.code : String(error)),
    );
    stdout.write(`${id} ${outcome} ${Math.round(gap)}\n`);
  }
  await ledger.close();
}

await (mode === "load" ? load() : obey());
