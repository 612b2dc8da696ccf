import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { SqliteLedgerReader } from "../../control-plane/src/ledger/sqlite/ledger-reader.ts";
import { openSqliteLedger } from "../../control-plane/src/ledger/sqlite/sqlite-ledger.ts";
import { ledgerContract } from "./ledger.contract.ts";

/** What is written by the ledger itself, read as another thread reads it. */
ledgerContract("The embedded ledger, read from beside", async () => {
  const folder = mkdtempSync(join(tmpdir(), "ledger-"));
  const ledger = await openSqliteLedger(join(folder, "ledger.db"));
  const reader = new SqliteLedgerReader(join(folder, "ledger.db"));
  const closeBoth = async (): Promise<void> => {
    await reader.close();
    await ledger.close();
  };
  return {
    ledger: {
      append: (stream, events, expected) => ledger.append(stream, events, expected),
      readStream: (stream, options) => ledger.readStream(stream, options),
      readAll: (options) => reader.readAll(options),
      subscribeToAll: (options) => reader.subscribeToAll(options),
      close: closeBoth,
    },
    close: async () => {
      await closeBoth();
      rmSync(folder, { recursive: true });
    },
  };
});
