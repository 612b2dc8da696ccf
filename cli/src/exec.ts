import { readFileSync } from "node:fs";
import type { Command } from "commander";
import pg from "pg";
import { exitStatus, Misuse, Unreachable } from "./exit-status.ts";
import { dim, type Io, toJson, tone } from "./io.ts";
import { type Profile, readToken } from "./profile.ts";
import { printable, printableLines, table } from "./table.ts";
import { runVerb } from "./verb.ts";

export function execVerb(program: Command): void {
  program
    .command("exec")
    .argument("<resource>", "where to run it")
    .argument("<sql>", "what to run; `-` reads it from standard input")
    .option("--csv", "rows as CSV (RFC 4180), with a heading")
    .description("run SQL on a resource; needs no psql. If the command is held, waits for the decision")
    .action((resource: string, sql: string, { csv }: { csv?: boolean }, command: Command) =>
      runVerb(command, async ({ io, profile }) => {
        if (csv === true && io.json) throw new Misuse("--json and --csv exclude each other.");
        return run(profile(), resource, sql === "-" ? readFileSync(0, "utf8") : sql, io, csv === true ? "csv" : io.json ? "json" : "table");
      }),
    );
}

type Format = "csv" | "json" | "table";

async function run(profile: Profile, resource: string, sql: string, io: Io, format: Format): Promise<0 | 1> {
  const { host, port } = splitAddress(profile.postgresAddress);
  const client = new pg.Client({
    host,
    port,
    database: resource,
    user: profile.identity,
    password: readToken(profile),
    application_name: "sallyport exec",
    ssl: { ca: readFileSync(profile.caFile, "utf8"), rejectUnauthorized: true },
  });
  client.on("notice", (notice) => io.err(tone("yellow", report("NOTICE", notice))));
  client.on("error", () => undefined); // a connection that breaks also fails the query, which tells it
  const stopped = new AbortController();
  const withdraw = (): void => {
    stopped.abort();
    void client.end();
  };
  process.once("SIGINT", withdraw);
  try {
    await client.connect();
    const copied = format === "json" ? keepCopies(client.connection) : passOnCopies(client.connection, process.stdout);
    // As text, as the target sent it: no type is guessed at.
    const asText = { getTypeParser: () => (value: string | null) => value };
    const result: unknown = await client.query({ text: sql, rowMode: "array", types: asText });
    for (const each of (Array.isArray(result) ? result : [result]) as pg.QueryArrayResult<(string | null)[]>[]) {
      show(each, io, format, copied.shift());
    }
    return exitStatus.done;
  } catch (error) {
    if (error instanceof pg.DatabaseError) {
      io.err(
        format === "json"
          ? toJson({ error: { code: error.code, message: error.message, detail: error.detail, hint: error.hint } })
          : tone("red", report(error.severity ?? "ERROR", error)),
      );
      return exitStatus.refused;
    }
    if (stopped.signal.aborted) throw new Error("Stopped, and withdrawn if it was held.", { cause: error });
    throw new Unreachable(`The gateway at ${profile.postgresAddress} does not answer: ${error instanceof Error ? error.message : String(error)}`);
  } finally {
    process.off("SIGINT", withdraw);
    await client.end().catch(() => undefined);
  }
}

interface CopyData {
  readonly chunk: Buffer;
}

/** COPY TO STDOUT is text of its own, which the driver drops; it is written as it comes, and no faster than it is taken. */
function passOnCopies(connection: pg.Connection, out: NodeJS.WriteStream): undefined[] {
  connection.on("copyData", ({ chunk }: CopyData) => {
    // A file is to have the bytes, which the driver's buffer has for now only; a terminal must not be led by them.
    const shown = out.isTTY ? printableLines(chunk.toString()).join("\n") : Buffer.from(chunk);
    if (out.write(shown) || connection.stream.isPaused()) return;
    connection.stream.pause();
    out.once("drain", () => void connection.stream.resume());
  });
  return [];
}

/** Of each command in order what it copied to us; undefined of those that did not, as of a COPY to a file of the target. */
function keepCopies(connection: pg.Connection): (string | undefined)[] {
  const copies: (string | undefined)[] = [];
  let copied: string | undefined;
  connection.on("copyOutResponse", () => (copied = ""));
  connection.on("copyData", ({ chunk }: CopyData) => (copied = (copied ?? "") + chunk.toString()));
  connection.on("commandComplete", () => {
    copies.push(copied);
    copied = undefined;
  });
  return copies;
}

function show({ fields, rows, command, rowCount }: pg.QueryArrayResult<(string | null)[]>, io: Io, format: Format, copied: string | undefined): void {
  const names = fields.map(({ name }) => name);
  if (format === "json") {
    io.out(toJson({ command, rowCount, columns: names, rows, copied }));
  } else if (format === "csv") {
    for (const row of names.length === 0 ? [] : [names, ...rows]) io.out(row.map(csvCell).join(","));
  } else {
    if (names.length > 0)
      for (const line of table(
        names,
        rows.map((row) => row.map((cell) => cell ?? "∅")),
      ))
        io.out(line);
    // Of an empty text the driver says null, against its types.
    io.out(dim(`${(command as string | null) ?? ""} ${rowCount ?? ""}`.trim()));
  }
}

const csvCell = (cell: string | null): string => (cell === null ? "" : /[",\r\n]/.test(cell) || cell === "" ? `"${cell.replaceAll('"', '""')}"` : cell);

interface ServerReport {
  readonly message?: string | undefined;
  readonly code?: string | undefined;
  readonly detail?: string | undefined;
  readonly hint?: string | undefined;
}

function report(severity: string, { message, code, detail, hint }: ServerReport): string {
  const lines = [`${severity}: ${message ?? ""}${code === undefined ? "" : ` (SQLSTATE ${code})`}`];
  if (detail !== undefined) lines.push(`DETAIL: ${detail}`);
  if (hint !== undefined) lines.push(`HINT: ${hint}`);
  return lines.map(printable).join("\n");
}

function splitAddress(address: string): { readonly host: string; readonly port: number } {
  const [, host, port] = /^\[?([^\]]+)\]?:(\d+)$/.exec(address) ?? [];
  if (host === undefined || port === undefined) throw new Misuse(`"${address}" is not host:port.`);
  return { host, port: Number(port) };
}
