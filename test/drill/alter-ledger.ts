import { DatabaseSync, type SQLInputValue } from "node:sqlite";
import { toBase64, utf8 } from "@sallyport/proto/audit/bytes";
import { checkpointOf } from "@sallyport/proto/audit/checkpoint";
import { nodePrimitives } from "@sallyport/proto/audit/node-primitives";
import { testingSigner } from "@sallyport/proto/audit/testing-log";
import type { Random } from "./random.ts";

export interface AlteredLedger {
  readonly kind: string;
  /** First bad leaf. */
  readonly index: number;
}

interface Target {
  readonly db: DatabaseSync;
  readonly positions: readonly number[];
  /** Leaves that are checkpoints. */
  readonly checkpoints: readonly number[];
  readonly random: Random;
}

const COLUMNS = ["stream", "id", "type", "data", "metadata"] as const;

const alterations: Readonly<Record<string, (target: Target) => number | Promise<number>>> = {
  "a flipped byte": ({ db, positions, random }) => {
    const index = random.between(0, positions.length);
    const column = random.pick(COLUMNS);
    const position = positions[index] as number;
    const text = String(db.prepare(`SELECT ${column} AS text FROM events WHERE position = ?`).get(position)?.["text"]);
    const at = random.between(0, text.length);
    const code = text.charCodeAt(at);
    const other = String.fromCharCode(code ^ (1 << random.between(0, 6)));
    // NUL ends a text for SQLite; half of a surrogate pair is no text at all.
    const flipped = other === "\0" || other === "\x7f" || !other.isWellFormed() ? "~" : other;
    set(db, position, column, text.slice(0, at) + (flipped === text[at] ? "_" : flipped) + text.slice(at + 1));
    return index;
  },
  "another revision": ({ db, positions, random }) => {
    const index = random.between(0, positions.length);
    set(db, positions[index] as number, "revision", 1_000_000 + random.between(0, 1_000_000));
    return index;
  },
  "a dropped event": ({ db, positions, random }) => {
    const index = random.between(0, positions.length);
    db.prepare("DELETE FROM events WHERE position = ?").run(positions[index] as number);
    return index;
  },
  "an inserted event": ({ db, positions, random }) => {
    const index = random.between(0, positions.length - 1);
    const position = positions[index] as number;
    db.exec(`UPDATE events SET position = -position - 1 WHERE position >= ${position}; UPDATE events SET position = -position WHERE position < 0`);
    db.prepare(
      `INSERT INTO events (position, stream_number, stream, revision, id, type, data, metadata, recorded_at)
       SELECT ?, stream_number, stream, 1000000, 'deadbeef-0000-5000-8000-000000000000', type, data, metadata, recorded_at FROM events WHERE position = ?`,
    ).run(position, position + 1);
    return index;
  },
  "swapped events": ({ db, positions, random }) => {
    const first = random.between(0, positions.length - 1);
    const second = random.between(first + 1, positions.length);
    const [a, b] = [positions[first] as number, positions[second] as number];
    db.exec(
      `UPDATE events SET position = -1 WHERE position = ${a}; UPDATE events SET position = ${a} WHERE position = ${b}; UPDATE events SET position = ${b} WHERE position = -1`,
    );
    return first;
  },
  "a cut tail": ({ db, positions, random }) => {
    const index = random.between(1, positions.length);
    db.prepare("DELETE FROM events WHERE position >= ?").run(positions[index] as number);
    return index;
  },
  "a forged checkpoint": async ({ db, positions, checkpoints, random }) => {
    const index = random.pick(checkpoints);
    const position = positions[index] as number;
    const data = checkpointAt(db, position);
    const root = toBase64(nodePrimitives.sha256(utf8("another history")));
    const forged = { ...data, root };
    if (random.between(0, 2) === 0) set(db, position, "data", JSON.stringify(forged));
    else await resign(db, position, forged, testingSigner(String(data["key"]).split("+")[0] ?? ""));
    return index;
  },
  "a replaced key": async ({ db, positions, checkpoints }) => {
    const first = checkpointAt(db, positions[checkpoints[0] as number] as number);
    const signer = testingSigner(String(first["key"]).split("+")[0] ?? "");
    for (const index of checkpoints) await resign(db, positions[index] as number, checkpointAt(db, positions[index] as number), signer);
    return checkpoints[0] as number;
  },
};

export const ledgerAlterations = Object.keys(alterations);

export async function alterLedger(kind: string, path: string, random: Random): Promise<AlteredLedger> {
  const alter = alterations[kind];
  if (alter === undefined) throw new Error(`No such alteration: ${kind}`);
  const db = new DatabaseSync(path);
  try {
    const rows = db.prepare("SELECT position, type FROM events ORDER BY position").all();
    const positions = rows.map((row) => Number(row["position"]));
    const checkpoints = rows.flatMap((row, index) => (row["type"] === "CheckpointSigned" ? [index] : []));
    return { kind, index: await alter({ db, positions, checkpoints, random }) };
  } finally {
    db.close();
  }
}

function set(db: DatabaseSync, position: number, column: string, value: SQLInputValue): void {
  db.prepare(`UPDATE events SET ${column} = ? WHERE position = ?`).run(value, position);
}

const checkpointAt = (db: DatabaseSync, position: number): Record<string, unknown> =>
  JSON.parse(String(db.prepare("SELECT data FROM events WHERE position = ?").get(position)?.["data"])) as Record<string, unknown>;

async function resign(db: DatabaseSync, position: number, data: Record<string, unknown>, signer: ReturnType<typeof testingSigner>): Promise<void> {
  const forged = checkpointOf(nodePrimitives.sha256, { ...data, key: signer.key.text });
  if (forged === undefined) throw new Error("Not a checkpoint.");
  const signature = toBase64(await signer.sign(utf8(forged.text)));
  set(db, position, "data", JSON.stringify({ ...data, key: signer.key.text, signature }));
}
