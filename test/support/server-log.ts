import { closeSync, openSync, readSync, statSync } from "node:fs";
import { awaitLogLine } from "@sallyport/deploy/demo/log-lines";

/** Goes before every entry, so that no statement can look like one: continuation lines start with a tab. */
export const LOG_LINE_PREFIX = "<<%p %c %a>> ";

const entryStart = /^<<(?<pid>\d+) (?<backend>[0-9a-f.]+) (?<application>.*?)>> (?<level>[A-Z0-9]+): {2}(?<text>.*)$/u;

export interface LogEntry {
  readonly pid: number;
  /** One per connection, unlike the pid. */
  readonly backend: string;
  readonly application: string;
  /** LOG, DETAIL, ERROR, STATEMENT, FATAL, … */
  readonly level: string;
  readonly text: string;
}

export interface LoggedStatement {
  readonly backend: string;
  readonly application: string;
  readonly how: "simple" | "extended";
  readonly sql: string;
  /** As the server prints them: `$1 = '7', $2 = NULL`. Undefined without any. */
  readonly parameters: string | undefined;
}

/** What a PostgreSQL server wrote on its standard error. It writes a statement before it runs it. */
export class ServerLog {
  readonly file: string;

  constructor(file: string) {
    this.file = file;
  }

  /** A mark for `entries` and `statements`: only what is written after it. */
  get end(): number {
    return statSync(this.file).size;
  }

  entries(from = 0): readonly LogEntry[] {
    const entries: { pid: number; backend: string; application: string; level: string; text: string }[] = [];
    for (const line of this.#read(from).split("\n")) {
      const groups = entryStart.exec(line)?.groups;
      if (groups !== undefined) {
        const { pid = "", backend = "", application = "", level = "", text = "" } = groups;
        entries.push({ pid: Number(pid), backend, application, level, text });
        continue;
      }
      const last = entries.at(-1);
      if (last !== undefined && line.startsWith("\t")) last.text += `\n${line.slice(1)}`;
    }
    return entries;
  }

  /** Every statement that began to run, in the order in which the server wrote them. Needs `log_statement=all`. */
  statements(from = 0): readonly LoggedStatement[] {
    const statements: LoggedStatement[] = [];
    const entries = this.entries(from);
    for (const [index, { level, text, backend, application }] of entries.entries()) {
      const match = level === "LOG" ? /^(?:statement|execute (?<portal>[^:]*)): (?<sql>.*)$/su.exec(text) : null;
      if (match === null) continue;
      // A connection writes the detail right behind the statement; other connections may write in between.
      const next = entries.slice(index + 1).find((entry) => entry.backend === backend);
      const parameters = next?.level === "DETAIL" ? /^parameters: (?<values>.*)$/isu.exec(next.text)?.groups?.["values"] : undefined;
      statements.push({
        backend,
        application,
        how: match.groups?.["portal"] === undefined ? "simple" : "extended",
        sql: match.groups?.["sql"] ?? "",
        parameters,
      });
    }
    return statements;
  }

  /** Resolves with the first line from `from` on that `matches`. Not for text that spans lines. */
  line(matches: (line: string) => boolean, signal: AbortSignal, from = 0): Promise<string> {
    return awaitLogLine(this.file, from, matches, signal);
  }

  #read(from: number): string {
    const bytes = Buffer.alloc(Math.max(0, this.end - from));
    const file = openSync(this.file, "r");
    try {
      let have = 0;
      while (have < bytes.length) {
        const read = readSync(file, bytes, have, bytes.length - have, from + have);
        if (read === 0) break;
        have += read;
      }
      return bytes.toString("utf8", 0, have);
    } finally {
      closeSync(file);
    }
  }
}
