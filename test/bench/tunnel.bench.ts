import { argv, cpuUsage, stdout } from "node:process";
import type { Cleanup } from "../support/cleanup.ts";
import { delayedRoute } from "../fault/tunnel-delay.ts";
import { connected, type ControlPlane, openSession, type Session, sessions, startAgent, startControlPlane } from "../fault/tunnel-harness.ts";

/**
 * The tunnel alone, both ends in this process, mutual TLS on loopback: bulk at no delay and at 40 ms, and round trips of
 * 100 bytes at 1, 8 and 32 sessions. Prints one JSON line per measurement; no thresholds here.
 */
const MIB = 1_048_576;
const scale = Number(argv[2] ?? 1);
const steps: (() => Promise<void>)[] = [];
const cleanup: Cleanup = { after: (run) => void steps.push(run) };

const report = (result: Record<string, unknown>): void => void stdout.write(`${JSON.stringify(result)}\n`);

async function pair(plane: ControlPlane, window: number, port?: number) {
  const targets = sessions();
  const { identity } = startAgent(cleanup, await plane.identity(`agent-${window}-${port ?? 0}`, port), { ...targets, window });
  await connected(plane, identity.agentId);
  const open = async (id: string): Promise<{ near: Session; far: Session }> => {
    const near = await openSession(plane, identity.agentId, id);
    const far = targets.all.get(id);
    if (far === undefined) throw new Error("no session");
    return { near, far };
  };
  return open;
}

async function bulk(name: string, delayMs: number, window: number, mebibytes: number): Promise<void> {
  const plane = await startControlPlane(cleanup, { window });
  const port = delayMs === 0 ? undefined : (await delayedRoute(cleanup, plane.tunnel.port, delayMs / 2)).port;
  const { near, far } = await (await pair(plane, window, port))("bulk");
  const chunk = Buffer.alloc(65_536);
  const cpu = cpuUsage();
  const start = performance.now();
  await Promise.all([far.sendAll(Array.from({ length: mebibytes * 16 }, () => chunk)), near.got(mebibytes * MIB)]);
  const seconds = (performance.now() - start) / 1_000;
  const { user, system } = cpuUsage(cpu);
  report({
    "bench": name,
    "windowMiB": window / MIB,
    "MB/s": Math.round((mebibytes * MIB) / seconds / 1e6),
    "cpu ms/MB, both ends": Number(((user + system) / 1_000 / mebibytes).toFixed(2)),
  });
}

async function roundTrips(count: number, total: number): Promise<void> {
  const plane = await startControlPlane(cleanup);
  const open = await pair(plane, MIB);
  const ends = await Promise.all(Array.from({ length: count }, (_, index) => open(`s${index}`)));
  const message = Buffer.alloc(100, 1);
  const run = (trips: number): Promise<unknown> =>
    Promise.all(
      ends.map(
        ({ near, far }) =>
          new Promise<void>((resolve) => {
            let left = trips;
            far.onData = () => void far.channel?.send(message);
            near.onData = () => {
              if (--left === 0) resolve();
              else near.channel?.send(message);
            };
            near.channel?.send(message);
          }),
      ),
    );
  await run(200); // warm the JIT; not counted
  const cpu = cpuUsage();
  const start = performance.now();
  await run(Math.ceil(total / count));
  const micros = (performance.now() - start) * 1_000;
  const { user, system } = cpuUsage(cpu);
  report({
    "bench": "tunnel.roundtrip",
    "sessions": count,
    "per s": Math.round((total * 1e6) / micros),
    "cpu µs each, both ends": Number(((user + system) / total).toFixed(1)),
  });
}

await bulk("tunnel.bulk", 0, MIB, 256 * scale);
await bulk("tunnel.bulk", 0, MIB, 256 * scale);
await bulk("tunnel.bulk.40ms", 40, MIB, 32 * scale);
await bulk("tunnel.bulk.40ms", 40, 4 * MIB, 64 * scale);
await bulk("tunnel.bulk.40ms", 40, 16 * MIB, 128 * scale);
for (const count of [1, 8, 32]) await roundTrips(count, 10_000 * scale);
for (const step of steps.toReversed()) await step();
