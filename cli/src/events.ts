import { createWriteStream } from "node:fs";
import { pipeline } from "node:stream/promises";
import type { RecordedEvent } from "@sallyport/proto/gen/sallyport/api/v1/api";
import type { Command } from "commander";
import { dim, toJson } from "./io.ts";
import { parseLimit } from "./moment.ts";
import { instant, printable } from "./table.ts";
import { runVerb, type Verb } from "./verb.ts";

export function eventsVerb(program: Command): void {
  const events = program.command("events").description("the ledger itself, for auditors");
  events
    .command("tail")
    .description("print events as they are recorded")
    .option("--from-start", "everything there is first")
    .option("--stream <prefix...>", "only streams whose names begin so, such as session- or approval-")
    .option("--limit <number>", "stop after this many")
    .action((options: { fromStart?: boolean; stream?: string[]; limit?: string }, command: Command) =>
      runVerb(command, async (verb) => {
        const after = options.fromStart === true ? { afterPosition: 0n } : {};
        for await (const event of read(verb, {
          ...after,
          follow: true,
          streamPrefixes: options.stream ?? [],
          limit: options.limit === undefined ? 0n : BigInt(parseLimit(options.limit)),
        })) {
          verb.io.out(verb.io.json ? line(event) : summary(event));
        }
      }),
    );
  events
    .command("export")
    .description("write every event as one line of JSON each")
    .option("--stream <prefix...>", "only streams whose names begin so")
    .option("--out <file>", "a file instead of the terminal")
    .action((options: { stream?: string[]; out?: string }, command: Command) =>
      runVerb(command, async (verb) => {
        let count = 0;
        async function* lines(): AsyncGenerator<string> {
          for await (const event of read(verb, { follow: false, streamPrefixes: options.stream ?? [], limit: 0n })) {
            yield `${line(event)}\n`;
            count++;
          }
        }
        if (options.out === undefined) return pipeline(lines(), process.stdout, { end: false });
        await pipeline(lines(), createWriteStream(options.out, { mode: 0o600 }));
        verb.io.out(verb.io.json ? toJson({ file: options.out, events: count }) : `${count} events in ${options.out}.`);
      }),
    );
}

interface Query {
  readonly afterPosition?: bigint;
  readonly follow: boolean;
  readonly streamPrefixes: string[];
  readonly limit: bigint;
}

async function* read({ api }: Verb, query: Query): AsyncGenerator<RecordedEvent> {
  const request = { streamPrefixes: query.streamPrefixes, afterPosition: query.afterPosition, follow: query.follow, limit: query.limit };
  for await (const { event } of api().events.readEvents(request)) if (event !== undefined) yield event;
}

function line({ stream, revision, position, id, type, dataJson, metadataJson, recordedAt }: RecordedEvent): string {
  return toJson({ position, stream, revision, id, type, recordedAt, metadata: JSON.parse(metadataJson) as unknown, data: JSON.parse(dataJson) as unknown });
}

const summary = ({ position, stream, revision, type, dataJson, recordedAt }: RecordedEvent): string =>
  `${dim(`${position} ${instant(recordedAt)}`)} ${printable(stream)}@${revision} ${printable(type)} ${dim(printable(dataJson))}`;
