import { readFileSync } from "node:fs";
import { performance } from "node:perf_hooks";
import { stderr, stdout } from "node:process";
import { parseArgs } from "node:util";
import type { ApiClient } from "@sallyport/cli/src/api-client.ts";
import type { Cleanup } from "../support/cleanup.ts";
import { query } from "../support/frontend-messages.ts";
import { RESOURCE, Stack } from "../support/stack.ts";
import { WireClient } from "../support/wire-client.ts";

/**
 * From "the grant is revoked", as the API acknowledges it, to the last byte that its session's client receives (the error that says so),
 * while all sessions stream a result from a real PostgreSQL: grants revoked one by one, then, on fresh sessions, all at once.
 * `--stream paced`: each session gets a row of 8 KB, as much as a server sends at once, ten times a second; `flood`: as fast as the machine can.
 * A last byte that came before the acknowledgement counts as 0.
 */
const { values } = parseArgs({
  options: { sessions: { type: "string", default: "200" }, stream: { type: "string", default: "paced" } },
});
const count = Number(values.sessions);
const streams: Readonly<Record<string, string>> = {
  // Rows are made as they are sent; in FROM the function would first make them all.
  paced: "select generate_series(1, 1000000), repeat('x', 8200), pg_sleep(0.1)",
  flood: "select generate_series(1, 1000000000), repeat('x', 1000)",
};
const sql = streams[values.stream] ?? "";

interface Live {
  readonly grantId: string;
  readonly client: WireClient;
  lastByteAt: number;
  bytes: number;
}

interface Taken {
  readonly fromAcknowledged: number;
  readonly fromAsked: number;
}

const cleanups: (() => void | Promise<void>)[] = [];
const cleanup: Cleanup = { after: (run) => void cleanups.push(run) };
try {
  const stack = await Stack.start(cleanup, {
    labels: { access: "on-request" },
    settings: { log_statement: "none", max_connections: String(count + 20) },
  });
  const decider = stack.api("bo");
  cleanups.push(() => decider.close());
  const ca = readFileSync(stack.caFile, "utf8");
  const tokens = await provision(stack, count);

  /** All sessions on grants of their own, each in the middle of its result. */
  async function open(): Promise<Live[]> {
    const all: Live[] = [];
    for (const [identity, token] of tokens) {
      const grantId = await granted(stack, decider, identity, token);
      const parameters = { user: identity, database: RESOURCE, client_encoding: "UTF8" };
      const client = await WireClient.open(cleanup, { host: "127.0.0.1", port: stack.gatewayPort, ca, parameters, password: token });
      all.push({ grantId, client, lastByteAt: Number.NaN, bytes: 0 });
    }
    const streaming = all.map(
      (live) =>
        new Promise<void>((resolve) => {
          live.client.pour((piece) => {
            live.lastByteAt = performance.now();
            live.bytes += piece.length;
            // More than a row: its result is on the way.
            if (live.bytes > 4_096) resolve();
          });
        }),
    );
    for (const { client } of all) client.write(query(sql));
    await Promise.all(streaming);
    return all;
  }

  async function revoke({ grantId, client }: Live): Promise<{ readonly asked: number; readonly acknowledged: number }> {
    const asked = performance.now();
    await decider.grants.revokeGrant({ grantId, reason: "bench" });
    const acknowledged = performance.now();
    await client.ended();
    return { asked, acknowledged };
  }

  const taken = (live: Live, { asked, acknowledged }: Awaited<ReturnType<typeof revoke>>): Taken => ({
    fromAcknowledged: Math.max(0, live.lastByteAt - acknowledged),
    fromAsked: live.lastByteAt - asked,
  });

  stderr.write(`${count} sessions stream …\n`);
  const one: Taken[] = [];
  for (const live of await open()) one.push(taken(live, await revoke(live)));
  report("one by one", one);

  const all = await open();
  report("all at once", await Promise.all(all.map(async (live) => taken(live, await revoke(live)))));
} finally {
  for (const run of cleanups.toReversed()) await run();
}

/** Identities that may ask for access, with a token each. */
async function provision(stack: Stack, many: number): Promise<ReadonlyMap<string, string>> {
  return stack.call("admin", async (api) => {
    const made = new Map<string, string>();
    for (let n = 0; n < many; n++) {
      const id = `engineer-${n}`;
      await api.identities.putIdentity({ id, kind: "human", groups: ["engineers"] });
      const { token } = await api.identities.createToken({ identityId: id, ttlSeconds: 3_600, note: "" });
      made.set(id, token);
    }
    return made;
  });
}

/** The id of an open grant of `identity`: asked for by itself, agreed to by `decider`. */
async function granted(stack: Stack, decider: ApiClient, identity: string, token: string): Promise<string> {
  const api = stack.apiOf(identity, token);
  try {
    const asked = { resource: RESOURCE, durationSeconds: 1_800, reason: "bench", ticket: "" };
    const { grant } = await api.grants.requestAccess(asked);
    const grantId = grant?.id ?? "";
    await decider.grants.approveAccess({ grantId, comment: "" });
    return grantId;
  } finally {
    api.close();
  }
}

function report(how: string, all: readonly Taken[]): void {
  const figures = (of: readonly number[]): Record<string, number> => {
    const sorted = of.toSorted((a, b) => a - b);
    const at = (share: number): number => Number((sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))] ?? Number.NaN).toFixed(1));
    return { p50: at(0.5), p99: at(0.99), max: at(1) };
  };
  stdout.write(
    `${JSON.stringify({
      bench: "revoke",
      unit: "ms",
      how,
      sessions: all.length,
      stream: values.stream,
      fromAcknowledged: figures(all.map(({ fromAcknowledged }) => fromAcknowledged)),
      fromAsked: figures(all.map(({ fromAsked }) => fromAsked)),
    })}\n`,
  );
}
