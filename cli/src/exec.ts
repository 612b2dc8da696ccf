import { readFileSync } from "node:fs";
import type { Command } from "commander";
import pg from "pg";
import { exitStatus, Misuse, Unreachable } from "./exit-status.ts";
import { dim, type Io, toJson, tone } from "./io.ts";
import { type Profile, readToken } from "./profile.ts";
import { printable, table } from "./table.ts";
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
  const withdraw = (): void => void client.end();
  process.once("SIGINT", withdraw);
  try {
    await client.connect();
    // As text, as the target sent it: no type is guessed at.
    const asText = { getTypeParser: () => (value: string | null) => value };
    const result: unknown = await client.query({ text: sql, rowMode: "array", types: asText });
    for (const each of (Array.isArray(result) ? result : [result]) as pg.QueryArrayResult<(string | null)[]>[]) show(each, io, format);
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
    throw new Unreachable(`The gateway at ${profile.postgresAddress} does not answer: ${error instanceof Error ? error.message : String(error)}`);
  } finally {
    process.off("SIGINT", withdraw);
    await client.end().catch(() => undefined);
  }
}

function show({ fields, rows, command, rowCount }: pg.QueryArrayResult<(string | null)[]>, io: Io, format: Format): void {
  const names = fields.map(({ name }) => name);
  if (format === "json") {
    io.out(toJson({ command, rowCount, columns: names, rows }));
  } else if (format === "csv") {
    for (const row of names.length === 0 ? [] : [names, ...rows]) io.out(row.map(csvCell).join(","));
  } else {
    if (names.length > 0)
      for (const line of table(
        names,
        rows.map((row) => row.map((cell) => cell ?? "∅")),
      ))
        io.out(line);
    io.out(dim(`${command} ${rowCount ?? ""}`.trimEnd()));
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
