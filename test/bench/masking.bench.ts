import { argv, stdout } from "node:process";
import type { Obligations } from "@sallyport/proto/gen/sallyport/tunnel/v1/tunnel";
import { OF_NO_COLUMN } from "../../edge-agent/src/masking/lineage.ts";
import { PostgresRelay } from "../../edge-agent/src/targets/postgres/relay/relay.ts";

/**
 * What masking costs on a stream of result rows, in 64 KiB reads, single thread, beside a relay that has nothing to mask. Kinds of
 * rows: numbers, text without personal data, text of which 2 % of the rows hold some, text of which each row does.
 * One JSON line per case; no thresholds here.
 */
const rounds = Number(argv[2] ?? 5);
const STREAM_BYTES = 16 << 20;
const CHUNK_BYTES = 64 << 10;
const WORDS = "the quick brown fox jumps over a lazy dog while customers wait for order number to be sent along with their usual parcel".split(" ");

const int16 = (value: number): Buffer => Buffer.from([value >> 8, value & 255]);
const int32 = (value: number): Buffer => Buffer.from([value >>> 24, (value >>> 16) & 255, (value >>> 8) & 255, value & 255]);
const message = (type: string, ...parts: readonly Buffer[]): Buffer => {
  const payload = Buffer.concat(parts);
  return Buffer.concat([Buffer.from(type), int32(payload.length + 4), payload]);
};
const row = (...cells: readonly string[]): Buffer =>
  message("D", int16(cells.length), ...cells.flatMap((cell) => [int32(Buffer.byteLength(cell)), Buffer.from(cell)]));
const description = (...columns: readonly (readonly [name: string, type: number])[]): Buffer =>
  message(
    "T",
    int16(columns.length),
    ...columns.flatMap(([name, type]) => [Buffer.from(`${name}\0`), int32(0), int16(0), int32(type), int16(-1), int32(-1), int16(0)]),
  );

/** A fixed sequence, so that every run sees the same bytes. */
function sequence(): () => number {
  let state = 7;
  return () => {
    state = (Math.imul(state, 1_103_515_245) + 12_345) >>> 0;
    return state >>> 8;
  };
}

interface Workload {
  readonly name: string;
  readonly description: Buffer;
  readonly row: (index: number, next: () => number) => Buffer;
}

const prose = (next: () => number): string => Array.from({ length: 14 }, () => WORDS[next() % WORDS.length]).join(" ");
const texts = description(["id", 23], ["title", 25], ["body", 25], ["at", 1184]);
const textRow = (index: number, next: () => number, personal: string): Buffer =>
  row(String(index), prose(next), `${prose(next)} ${personal}`, "2024-05-06 07:08:09.123456+00");
const PERSONAL = ["ana.lopez@example.com", "4111 1111 1111 1111", "+49 30 1234567", "123-45-6789", "DE89370400440532013000"];

const workloads: readonly Workload[] = [
  {
    name: "numeric",
    description: description(["a", 20], ["b", 1700], ["c", 701], ["d", 1184]),
    row: (index, next) => row(String(index), `${next()}.25`, String(next() / 3), "2024-05-06 07:08:09.123456+00"),
  },
  { name: "clean text", description: texts, row: (index, next) => textRow(index, next, "") },
  {
    name: "2 % hits",
    description: texts,
    row: (index, next) => textRow(index, next, index % 50 === 0 ? (PERSONAL[(index / 50) % PERSONAL.length] ?? "") : ""),
  },
  { name: "every row hits", description: texts, row: (index, next) => textRow(index, next, PERSONAL[index % PERSONAL.length] ?? "") },
];

const NOTHING: Obligations = { maskColumns: [], detectors: [], rowCap: 0n };
const DETECT: Obligations = { ...NOTHING, detectors: ["email", "card", "ssn", "phone", "iban"] };
const COLUMN: Obligations = {
  ...NOTHING,
  maskColumns: [
    { column: "body", table: "", kind: "full" },
    { column: "b", table: "", kind: "full" },
  ],
};

function stream({ description: head, row: build }: Workload): Buffer {
  const next = sequence();
  const rows: Buffer[] = [head];
  for (let index = 0, bytes = 0; bytes < STREAM_BYTES; index++) {
    const one = build(index, next);
    rows.push(one);
    bytes += one.length;
  }
  return Buffer.concat([...rows, message("C", Buffer.from("SELECT 1\0")), message("Z", Buffer.from("I"))]);
}

/** MB per second of CPU, which a busy machine disturbs least. Chunks are copied outside of what is timed, because masks overwrite them. */
function once(bytes: Buffer, obligations: Obligations): number {
  const relay = new PostgresRelay({
    obligations,
    catalogue: { column: () => OF_NO_COLUMN, named: () => OF_NO_COLUMN },
    learn: () => {},
    definitionsChanged: () => {},
    maskKeys: { hash: Buffer.alloc(32), token: Buffer.alloc(32) },
    executes: () => {},
    toTarget: () => {},
    toClient: () => {},
    report: () => {},
  });
  relay.expectResults({ columns: [], computed: { plain: false, sources: [], opaque: false }, originsIncomplete: false, changesDefinitions: false });
  relay.fromClient(message("Q", Buffer.from("select\0")));
  const chunks: Buffer[] = [];
  for (let at = 0; at < bytes.length; at += CHUNK_BYTES) chunks.push(Buffer.from(bytes.subarray(at, at + CHUNK_BYTES)));
  const start = process.cpuUsage();
  for (const chunk of chunks) relay.fromTarget(chunk);
  const { user, system } = process.cpuUsage(start);
  return bytes.length / (user + system);
}

const median = (values: readonly number[]): number => values.toSorted((a, b) => a - b)[Math.floor(values.length / 2)] ?? 0;

for (const workload of workloads) {
  const bytes = stream(workload);
  const runs = { pass: [] as number[], detect: [] as number[], column: [] as number[] };
  for (let round = 0; round <= rounds; round++) {
    const measured = { pass: once(bytes, NOTHING), detect: once(bytes, DETECT), column: once(bytes, COLUMN) };
    if (round === 0) continue; // warms the JIT
    runs.pass.push(measured.pass);
    runs.detect.push(measured.detect);
    runs.column.push(measured.column);
  }
  const [pass, detect, column] = [median(runs.pass), median(runs.detect), median(runs.column)];
  const relative = (value: number): number => Math.round((value / pass) * 100) / 100;
  stdout.write(
    `${JSON.stringify({
      bench: "masking",
      rows: workload.name,
      unit: "MB/s of CPU",
      pass: Math.round(pass),
      detect: Math.round(detect),
      detectRelative: relative(detect),
      column: Math.round(column),
      columnRelative: relative(column),
    })}\n`,
  );
}
