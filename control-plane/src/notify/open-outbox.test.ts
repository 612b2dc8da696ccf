import assert from "node:assert/strict";
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, truncateSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, it, type TestContext } from "node:test";
import { pino } from "pino";
import type { Delivery } from "./delivery.ts";
import { openOutbox } from "./open-outbox.ts";
import { Outbox } from "./outbox.ts";

const now = new Date("2026-11-22T10:00:00.000Z");
const delivery = (number: number): Delivery => ({
  id: `e${number}_ops`,
  channel: "ops",
  eventId: `e${number}`,
  eventType: "AccessGranted",
  stream: "grant-1",
  revision: 0n,
  urgency: "info",
  source: "",
});

function scene(t: TestContext) {
  const folder = mkdtempSync(join(tmpdir(), "sallyport-outbox-"));
  t.after(() => rmSync(folder, { recursive: true }));
  const path = join(folder, "notifications.db");
  const said: string[] = [];
  const log = pino({ level: "error" }, { write: (line: string) => void said.push(line) });
  const open = (hasChannels: boolean): Outbox => {
    const outbox = openOutbox({ path, hasChannels, clock: { now: () => now }, log });
    t.after(() => outbox.close());
    return outbox;
  };
  return { folder, path, said, open };
}

/** Many pages, and nothing beside the file. */
function fill(path: string): void {
  const outbox = new Outbox(path);
  outbox.take(
    Array.from({ length: 1_000 }, (_, number) => delivery(number)),
    7n,
    now,
  );
  outbox.close();
}

describe("opening the outbox", () => {
  it("makes no file when nobody is told of anything", (t) => {
    const { path, open } = scene(t);
    open(false).forgetPlace();
    assert.equal(existsSync(path), false);
  });

  it("finds what waits in a sound one, with channels or without", (t) => {
    const { path, open } = scene(t);
    fill(path);
    assert.deepEqual([open(true).checkpoint()?.position, open(false).counts("ops").waiting], [7n, 1_000]);
  });

  for (const [what, damage] of [
    ["that is no database", (path: string) => writeFileSync(path, "x".repeat(5_000))],
    ["that was cut", (path: string) => truncateSync(path, 20_480)],
    ["with pages of something else", (path: string) => writeFileSync(path, readFileSync(path).fill(0x5a, 8_192, 32_768))],
  ] as const)
    it(`puts one aside ${what}, says so, and begins anew; without channels it lets it be`, (t) => {
      const { folder, path, said, open } = scene(t);
      fill(path);
      damage(path);
      const damaged = readFileSync(path);
      assert.equal(open(false).checkpoint(), undefined);
      assert.deepEqual([readFileSync(path).equals(damaged), said.length], [true, 0]);
      const outbox = open(true);
      assert.equal(outbox.checkpoint(), undefined);
      outbox.take([delivery(1)], 8n, now);
      assert.match(said.join(), /is damaged/u);
      const aside = readdirSync(folder).find((name) => name.includes(".damaged-") && !/-(?:wal|shm)$/u.test(name));
      assert.ok(aside !== undefined && readFileSync(join(folder, aside)).equals(damaged));
    });

  it("stops a start when a newer release wrote it, and somebody is to be told", (t) => {
    const { path, open } = scene(t);
    fill(path);
    const bytes = readFileSync(path);
    bytes.writeUInt32BE(99, 60); // user_version (sqlite.org/fileformat.html)
    writeFileSync(path, bytes);
    assert.throws(() => open(true), { code: "config.invalid" });
    open(false);
  });
});
