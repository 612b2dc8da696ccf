import type { Command } from "commander";
import { runForeground } from "./processes.ts";

interface ServeOptions {
  readonly data: string;
  readonly host: string;
  readonly port: string;
  readonly tlsCert?: string;
  readonly tlsKey?: string;
  readonly credentials?: string;
}

export function ledgerVerb(program: Command): void {
  const ledger = program.command("ledger").description("the record's store as a process of its own");
  ledger
    .command("serve")
    .description(
      "serve a ledger file to any EventStoreDB client: a single node, for development, tests and small set-ups. Nothing is replicated: past one machine, run EventStoreDB itself",
    )
    .requiredOption("--data <dir>", "directory of the ledger; made when it is not there")
    .option("--host <address>", "address to listen on", "127.0.0.1")
    .option("--port <number>", "port to listen on; 0 takes a free one", "2113")
    .option("--tls-cert <file>", "certificate in PEM; without one the ledger speaks in clear")
    .option("--tls-key <file>", "its key in PEM")
    .option("--credentials <file>", "who may read and append, user:password a line; needed to listen on another address than this machine's own")
    .action(async (options: ServeOptions) => {
      const { data, host, port, tlsCert, tlsKey, credentials } = options;
      const given = { "--data": data, "--host": host, "--port": port, "--tls-cert": tlsCert, "--tls-key": tlsKey, "--credentials": credentials };
      process.exitCode = await runForeground(
        "ledger",
        Object.entries(given).flatMap(([name, value]) => (value === undefined ? [] : [name, value])),
      );
    });
}
