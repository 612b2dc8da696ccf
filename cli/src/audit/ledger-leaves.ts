import { DatabaseSync } from "node:sqlite";
import { CHECKPOINT_STREAM, ROTATION_TYPE } from "@sallyport/proto/audit/checkpoint";
import type { StoredLeaf } from "@sallyport/proto/audit/verify-ledger";
import { Misuse } from "../exit-status.ts";

/** "SALY" in ASCII, and the versions of the tables that are known here (control-plane/src/ledger/sqlite/schema.ts). */
const APPLICATION_ID = 0x53_41_4c_59;
const SCHEMA_VERSION = 2;
/** Since which there is a table of what retention has left. */
const REMOVED_VERSION = 2;

/** Read at once; a cursor that stays open would keep the ledger's own log from being emptied. */
const PAGE = 2_000;

const EVENTS = "SELECT position, stream, revision, id, type, data, metadata FROM events WHERE position > ?1";
const REMOVED = `SELECT r.position, s.name, r.revision, NULL, NULL, NULL, r.leaf FROM removed r LEFT JOIN streams s ON s.number = r.stream_number
  WHERE r.position > ?1`;
const ROTATIONS = `SELECT data FROM events WHERE stream_number = (SELECT number FROM streams WHERE name = '${CHECKPOINT_STREAM}')
  AND type = '${ROTATION_TYPE}' ORDER BY revision`;
const STRAY = `SELECT e.position, e.stream FROM events e LEFT JOIN streams s ON s.number = e.stream_number
  WHERE s.name IS NOT e.stream ORDER BY e.position LIMIT 1`;

/**
 * A ledger file, read by this program alone and changed by nobody: read-only, and with nothing of the control plane's own code.
 * What cannot be read as an event is told as broken, at its position.
 */
export function* ledgerLeaves(path: string): Generator<StoredLeaf, void, undefined> {
  let db: DatabaseSync | undefined;
  try {
    db = open(path);
    const stray = db.prepare(STRAY).get();
    const strayAt = stray === undefined ? undefined : Number(stray["position"]);
    const page = db.prepare(`${versionOf(db) < REMOVED_VERSION ? EVENTS : `${EVENTS} UNION ALL ${REMOVED}`} ORDER BY position LIMIT ?2`);
    for (let after = -1, more = true; more;) {
      const rows = page.all(after, PAGE);
      more = rows.length === PAGE;
      for (const row of rows) {
        after = Number(row["position"]);
        const leaf = leafOf(row);
        yield strayAt === after ? broken(leaf.position, String(row["stream"]), "The index by streams has this event in another stream.") : leaf;
      }
    }
  } catch (error) {
    if (!isDamage(error)) throw error;
    yield broken("", "", `The file is damaged: ${error.message}.`);
  } finally {
    db?.close();
  }
}

/** What the ledger says about changes of its key; nothing when that cannot be read. */
export function ledgerRotations(path: string): object[] {
  let db: DatabaseSync | undefined;
  try {
    db = open(path);
    return db
      .prepare(ROTATIONS)
      .all()
      .map(({ data }) => objectIn(String(data)))
      .filter((data) => data !== undefined);
  } catch (error) {
    if (!isDamage(error)) throw error;
    return [];
  } finally {
    db?.close();
  }
}

function open(path: string): DatabaseSync {
  const db = new DatabaseSync(path, { readOnly: true });
  const version = versionOf(db);
  if (pragma(db, "application_id") === APPLICATION_ID && version >= 1 && version <= SCHEMA_VERSION) return db;
  db.close();
  throw new Misuse(`${path} is not a ledger that this version can read.`);
}

const pragma = (db: DatabaseSync, name: string): unknown => db.prepare(`PRAGMA ${name}`).get()?.[name];
const versionOf = (db: DatabaseSync): number => Number(pragma(db, "user_version"));

function leafOf(row: Readonly<Record<string, unknown>>): StoredLeaf {
  const { position, stream, revision, id, type, data, metadata } = row;
  const at = String(position);
  // Of what was removed the leaf stands in the place of the last column.
  if (metadata instanceof Uint8Array && id === null) {
    if (typeof stream !== "string") return broken(at, "", "It was removed, and of a stream that is not there.");
    return { kind: "removed", position: at, stream, revision: Number(revision), leaf: metadata };
  }
  if (typeof stream !== "string" || typeof id !== "string" || typeof type !== "string" || typeof data !== "string" || typeof metadata !== "string") {
    return broken(at, String(stream), "A column does not hold text.");
  }
  const [dataObject, metadataObject] = [objectIn(data), objectIn(metadata)];
  if (dataObject === undefined || metadataObject === undefined) return broken(at, stream, "The stored text is not the JSON that a ledger writes.");
  return { kind: "event", position: at, event: { stream, revision: String(revision), id, type, data: dataObject, metadata: metadataObject } };
}

/** As it was written and no other way: blanks, doubled keys and other notations of a number would not show in the value. */
function objectIn(text: string): object | undefined {
  try {
    const value: unknown = JSON.parse(text);
    return typeof value === "object" && value !== null && JSON.stringify(value) === text ? value : undefined;
  } catch {
    return undefined;
  }
}

const broken = (position: string, stream: string, message: string): StoredLeaf => ({ kind: "broken", position, stream, message });

const isDamage = (error: unknown): error is Error => error instanceof Error && "errcode" in error;
