import { argv, memoryUsage, stdout } from "node:process";
import { createStatementAnalyser } from "./analyser.ts";

/** Statements per second: distinct texts, as 64 sessions send them, and the same texts again. Prints one JSON line each; no thresholds here. */
const rounds = Number(argv[2] ?? 5);
const perRound = Number(argv[3] ?? 10_000);
const sessions = 64;

const shapes: readonly ((n: number) => string)[] = [
  (n) => `SELECT id, total FROM orders WHERE customer_id = ${n} ORDER BY created_at DESC LIMIT 10`,
  (n) => `UPDATE accounts SET balance = balance - ${n} WHERE id = ${n}`,
  (n) => `INSERT INTO orders (customer_id, total) VALUES (${n}, ${n}.5) RETURNING id`,
  (n) =>
    `SELECT o.id, c.name, sum(l.price * l.quantity) FROM orders o JOIN customers c ON c.id = o.customer_id JOIN lines l ON l.order_id = o.id WHERE o.id = ${n} GROUP BY 1, 2`,
];

const analyser = createStatementAnalyser();
await analyser.ready();
let unique = 0;
let last: readonly Buffer[] = [];

async function distinct(): Promise<number> {
  const texts = Array.from({ length: perRound }, () => Buffer.from(shapes[unique % shapes.length]?.(unique++) ?? ""));
  last = texts.slice(-1_000);
  const start = process.hrtime.bigint();
  let next = 0;
  const session = async (): Promise<void> => {
    for (let sql = texts[next++]; sql !== undefined; sql = texts[next++]) await analyser.analyse(sql);
  };
  await Promise.all(Array.from({ length: sessions }, session));
  return perRound / (Number(process.hrtime.bigint() - start) / 1e9);
}

async function cached(): Promise<number> {
  const start = process.hrtime.bigint();
  for (let i = 0; i < perRound; i++) {
    const answer = analyser.analyse(last[i % last.length] ?? Buffer.alloc(0));
    if (answer instanceof Promise) throw new Error("a text that was just analysed is not in the cache");
  }
  return perRound / (Number(process.hrtime.bigint() - start) / 1e9);
}

for (const [name, once] of Object.entries({ distinct, cached })) {
  await once(); // warm the JIT; not counted
  const runs: number[] = [];
  for (let i = 0; i < rounds; i++) runs.push(await once());
  runs.sort((a, b) => a - b);
  const [median, min, max] = [runs[Math.floor(runs.length / 2)], runs[0], runs.at(-1)].map((rate) => Math.round(rate ?? 0));
  stdout.write(`${JSON.stringify({ bench: `postgres.facts.${name}`, unit: "statements/s", median, min, max, rssMb: memoryUsage().rss >> 20 })}\n`);
}
await analyser.close();
