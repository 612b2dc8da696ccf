import { SallyportError } from "@sallyport/proto/errors";
import type { DryRun, Obligations, Preview, PreviewRow } from "@sallyport/proto/gen/sallyport/tunnel/v1/tunnel";
import { ofAssigned, ofTables } from "./assigned-columns.ts";
import { COUNT, nameOf, requireChangeable } from "./changed-rows.ts";
import type { Conversation, Reply } from "./conversation.ts";
import { MAX_SAMPLE_BYTES, MAX_SAMPLE_COLUMNS, MAX_SAMPLE_ROWS, PREVIEW_SAMPLE_TIMEOUT_MS } from "./limits.ts";
import { type PlannedChange, readPlannedChange } from "./planned-change.ts";
import type { ChangedTable } from "./side-effects.ts";
import { sampleOf } from "./sample.ts";
import { requireDone, rolledBack } from "./transaction.ts";

/**
 * Runs the change itself, byte for byte, in a transaction that is rolled back, and looks at rows before and after it.
 *
 * The rows are found by what PostgreSQL notes on them: those that the transaction made have its id in `xmin`, those that it replaced or
 * deleted have it in `xmax`, and a cursor that was opened before still sees them. So the text is not rewritten, and the rows come as
 * plain columns of their table, masked by the same code as in sessions.
 *
 * D1. Nothing of the command runs before the target's own catalogue says that it has no effect which outlives the rollback.
 * D2. Rows are asked for only once masks are in force: of rows after the change by what it put into them, whatever column that is.
 */
export async function dryRun(conversation: Conversation, preview: Preview, obligations: Obligations): Promise<DryRun> {
  const planned = await rolledBack(conversation, "read only", async () => {
    const { rows } = requireDone(await conversation.run(`explain (verbose, format json) ${preview.statement}`, preview.parameters), preview);
    return readPlannedChange(rows[0]?.[0] ?? "[]");
  });
  return rolledBack(conversation, "read write", async () => {
    const table = await requireChangeable(conversation, planned, preview);
    const [named] = (await conversation.query("select pg_catalog.pg_current_xact_id()::pg_catalog.xid")).rows;
    const xid = named?.[0] ?? "";
    if (!/^\d+$/.test(xid)) throw new SallyportError("preview.failed", "The target did not name the transaction.");
    return change(conversation, preview, { planned, table, xid, obligations: sampled(obligations) });
  });
}

interface Target {
  readonly planned: PlannedChange;
  readonly table: ChangedTable;
  readonly xid: string;
  readonly obligations: Obligations;
}

async function change(conversation: Conversation, preview: Preview, target: Target): Promise<DryRun> {
  const { planned, table, obligations } = target;
  conversation.oblige(obligations, ofTables);
  const notes: string[] = [];
  const showsBefore = planned.operation !== "Insert" && !table.refersToItself;
  if (table.refersToItself) notes.push("No rows before the change: the table refers to itself, so that they cannot be told from locked ones.");
  if (showsBefore) await require(conversation, preview, `declare sallyport_before no scroll cursor for ${rowsOf(target, "xmax")}`);
  const { tag, status } = requireDone(await conversation.run(preview.statement, preview.parameters, 0), preview);
  const rows = COUNT.exec(tag)?.[1];
  if (rows === undefined || status !== "T") throw new SallyportError("preview.failed", "The target did not say how many rows it changed.");
  const look = async (sql: string, which: string): Promise<Reply | undefined> => {
    await conversation.query(`savepoint sallyport_sample; set local statement_timeout = ${PREVIEW_SAMPLE_TIMEOUT_MS}`);
    const reply = await conversation.query(sql);
    if (reply.failure === undefined) return reply;
    await conversation.query("rollback to savepoint sallyport_sample");
    notes.push(
      reply.failure.sqlstate === "57014"
        ? `No rows ${which} the change: to find them took too long.`
        : `No rows ${which} the change: they cannot be read (${reply.failure.sqlstate}).`,
    );
    return undefined;
  };
  const before = rows !== "0" && showsBefore ? await look(`fetch ${MAX_SAMPLE_ROWS} from sallyport_before`, "before") : undefined;
  conversation.oblige(obligations, ofAssigned(table.columns, preview.assigned));
  const after = rows !== "0" && planned.operation !== "Delete" ? await look(rowsOf(target, "xmin"), "after") : undefined;
  const columns = [before, after].find((reply) => reply !== undefined && reply.rows.length > 0)?.columns ?? [];
  if (columns.length > MAX_SAMPLE_COLUMNS) notes.push(`Of ${columns.length} columns the first ${MAX_SAMPLE_COLUMNS} are shown.`);
  const show = (reply: Reply | undefined): PreviewRow[] => sampleOf(reply?.rows ?? []);
  return { rows: BigInt(rows), columns: columns.slice(0, MAX_SAMPLE_COLUMNS), before: show(before), after: show(after), notes };
}

/** A few rows of the table that the transaction left its mark on, the same ones before and after where the key says so. */
function rowsOf({ planned, table, xid }: Target, mark: "xmin" | "xmax"): string {
  const order = table.key.length === 0 ? "" : ` order by ${table.key.join(", ")}`;
  return `select * from only ${nameOf(planned)} where ${mark} operator(pg_catalog.=) '${xid}'::pg_catalog.xid${order} limit ${MAX_SAMPLE_ROWS}`;
}

async function require(conversation: Conversation, preview: Preview, sql: string): Promise<void> {
  requireDone(await conversation.query(sql), preview);
}

/** The masks of policy, with bounds of our own where it has none, or wider ones. */
function sampled({ maskColumns, detectors, rowCap, byteCap = 0n }: Obligations): Obligations {
  const tighter = (cap: bigint, bound: number): bigint => (cap > 0n && cap < BigInt(bound) ? cap : BigInt(bound));
  return { maskColumns, detectors, rowCap: tighter(rowCap, MAX_SAMPLE_ROWS), byteCap: tighter(byteCap, MAX_SAMPLE_BYTES) };
}
