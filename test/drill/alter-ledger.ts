import { DatabaseSync, type SQLInputValue } from "node:sqlite";
import { toBase64, utf8 } from "@sallyport/proto/audit/bytes";
import { checkpointOf } from "@sallyport/proto/audit/checkpoint";
import { leafBytes } from "@sallyport/proto/audit/leaf";
import { treeHasher } from "@sallyport/proto/audit/merkle";
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
  /** Of every leaf. */
  readonly positions: readonly number[];
  /** Leaves that are events, and those of which only the hash is left. */
  readonly events: readonly number[];
  readonly removed: readonly number[];
  /** Leaves that are checkpoints. */
  readonly checkpoints: readonly number[];
  readonly random: Random;
}

const COLUMNS = ["stream", "id", "type", "data", "metadata"] as const;

const alterations: Record<string, (target: Target) => number | Promise<number>> = {
  "a flipped byte": ({ db, positions, events, checkpoints, random }) => {
    const index = anEvent(random, events, checkpoints);
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
  "another revision": ({ db, positions, events, checkpoints, random }) => {
    const index = anEvent(random, events, checkpoints);
    set(db, positions[index] as number, "revision", 1_000_000 + random.between(0, 1_000_000));
    return index;
  },
  "a dropped event": ({ db, positions, events, checkpoints, random }) => {
    const index = anEvent(random, events, checkpoints);
    db.prepare("DELETE FROM events WHERE position = ?").run(positions[index] as number);
    return index;
  },
  "an inserted event": ({ db, positions, events, random }) => {
    const index = random.pick(events.slice(0, -1));
    const position = positions[index] as number;
    db.exec(`UPDATE events SET position = -position - 1 WHERE position >= ${position}; UPDATE events SET position = -position WHERE position < 0`);
    db.prepare(
      `INSERT INTO events (position, stream_number, stream, revision, id, type, data, metadata, recorded_at)
       SELECT ?, stream_number, stream, 1000000, 'deadbeef-0000-5000-8000-000000000000', type, data, metadata, recorded_at FROM events WHERE position = ?`,
    ).run(position, position + 1);
    return index;
  },
  "swapped events": ({ db, positions, events, random }) => {
    const at = random.between(0, events.length - 1);
    const [first, second] = [events[at] as number, random.pick(events.slice(at + 1))];
    const [a, b] = [positions[first] as number, positions[second] as number];
    db.exec(
      `UPDATE events SET position = -1 WHERE position = ${a}; UPDATE events SET position = ${a} WHERE position = ${b}; UPDATE events SET position = ${b} WHERE position = -1`,
    );
    return first;
  },
  "a cut tail": ({ db, positions, random }) => {
    const index = random.between(1, positions.length);
    for (const table of ["events", "removed"]) db.prepare(`DELETE FROM ${table} WHERE position >= ?`).run(positions[index] as number);
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

/** What somebody may do who knows how removed events are kept. */
const removals: typeof alterations = {
  "an event removed, its hash left": ({ db, positions, events, checkpoints, random }) => {
    const index = anEvent(random, others(db, positions, events), checkpoints);
    entomb(db, positions[index] as number);
    return index;
  },
  "an event removed as the first of its stream": ({ db, positions, events, checkpoints, random }) => {
    const index = anEvent(random, others(db, positions, events), checkpoints);
    entomb(db, positions[index] as number, { revision: 0 });
    return index;
  },
  "an event passed off as one of a removed stream": ({ db, positions, events, checkpoints, random }) => {
    const index = anEvent(random, others(db, positions, events), checkpoints);
    const last = random.pick(db.prepare("SELECT stream_number, max(revision) AS revision FROM removed GROUP BY stream_number ORDER BY stream_number").all());
    entomb(db, positions[index] as number, { stream: Number(last["stream_number"]), revision: Number(last["revision"]) + 1 });
    return index;
  },
  "a whole session removed": ({ db, positions, random }) => {
    const streams = db.prepare("SELECT DISTINCT stream_number AS number FROM events WHERE stream LIKE 'session-%'").all();
    const number = Number(random.pick(streams)["number"]);
    const rows = db.prepare("SELECT position FROM events WHERE stream_number = ? ORDER BY position").all(number);
    for (const row of rows) entomb(db, Number(row["position"]));
    return positions.indexOf(Number(rows[0]?.["position"]));
  },
  "another hash of a removed event": ({ db, positions, removed, random }) => {
    const index = random.pick(removed);
    const leaf = nodePrimitives.sha256(utf8(`another ${random.between(0, 1_000_000)}`));
    db.prepare("UPDATE removed SET leaf = ? WHERE position = ?").run(leaf, positions[index] as number);
    return index;
  },
  "a removed event dropped": ({ db, positions, removed, random }) => {
    const index = random.pick(removed);
    db.prepare("DELETE FROM removed WHERE position = ?").run(positions[index] as number);
    return index;
  },
  "a removed event made up": ({ db, positions, removed, random }) => {
    const index = random.pick(removed);
    const position = positions[index] as number;
    db.prepare(
      `INSERT INTO events (position, stream_number, stream, revision, id, type, data, metadata, recorded_at)
       SELECT r.position, r.stream_number, s.name, r.revision, 'deadbeef-0000-5000-8000-000000000000', 'CommandAuthorized', '{}', '{}', 0
       FROM removed r JOIN streams s ON s.number = r.stream_number WHERE r.position = ?`,
    ).run(position);
    db.prepare("DELETE FROM removed WHERE position = ?").run(position);
    return index;
  },
  "a removed event given to another stream": ({ db, positions, removed, random }) => {
    const index = random.pick(removed);
    const { lastInsertRowid } = db.prepare("INSERT INTO streams (name) VALUES ('session-of-nobody')").run();
    db.prepare("UPDATE removed SET stream_number = ?, revision = 0 WHERE position = ?").run(lastInsertRowid, positions[index] as number);
    return index;
  },
};
Object.assign(alterations, removals);

export const ledgerAlterations = Object.keys(alterations);

export async function alterLedger(kind: string, path: string, random: Random): Promise<AlteredLedger> {
  const alter = alterations[kind];
  if (alter === undefined) throw new Error(`No such alteration: ${kind}`);
  const db = new DatabaseSync(path);
  try {
    const rows = db.prepare("SELECT position, type FROM events UNION ALL SELECT position, NULL FROM removed ORDER BY position").all();
    const positions = rows.map((row) => Number(row["position"]));
    const those = (isIt: (type: unknown) => boolean): number[] => rows.flatMap((row, index) => (isIt(row["type"]) ? [index] : []));
    const checkpoints = those((type) => type === "CheckpointSigned");
    const [events, removed] = [those((type) => type !== null), those((type) => type === null)];
    return { kind, index: await alter({ db, positions, events, removed, checkpoints, random }) };
  } finally {
    db.close();
  }
}

/** Checkpoints are few, and what else is proven hangs on them: one time in four it is one. */
const anEvent = (random: Random, events: readonly number[], checkpoints: readonly number[]): number =>
  random.pick(random.between(0, 4) === 0 ? checkpoints : events);

/** All but the decisions: without one, what it removed is the first thing that is wrong. */
function others(db: DatabaseSync, positions: readonly number[], events: readonly number[]): number[] {
  const decisions = new Set(
    db
      .prepare("SELECT position FROM events WHERE type = 'StreamsRemoved'")
      .all()
      .map((row) => Number(row["position"])),
  );
  return events.filter((index) => !decisions.has(positions[index] as number));
}

/** The event's contents go, and the right hash stays. */
function entomb(db: DatabaseSync, position: number, claim: { readonly stream?: number; readonly revision?: number } = {}): void {
  const row = db.prepare("SELECT stream_number, stream, revision, id, type, data, metadata FROM events WHERE position = ?").get(position);
  if (row === undefined) throw new Error(`No event at ${position}.`);
  const { stream_number: number, stream, revision, id, type, data, metadata } = row;
  const [dataObject, metadataObject] = [JSON.parse(String(data)) as object, JSON.parse(String(metadata)) as object];
  const event = { stream: String(stream), revision: Number(revision), id: String(id), type: String(type), data: dataObject, metadata: metadataObject };
  const leaf = hasher.leaf(leafBytes(event));
  db.prepare("DELETE FROM events WHERE position = ?").run(position);
  db.prepare("INSERT INTO removed (position, stream_number, revision, leaf) VALUES (?, ?, ?, ?)").run(
    position,
    claim.stream ?? Number(number),
    claim.revision ?? Number(revision),
    leaf,
  );
}

const hasher = treeHasher(nodePrimitives.sha256);

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
