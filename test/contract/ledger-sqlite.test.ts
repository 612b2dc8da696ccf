import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { openSqliteLedger } from "../../control-plane/src/ledger/sqlite/sqlite-ledger.ts";
import { ledgerContract } from "./ledger.contract.ts";

ledgerContract("The embedded ledger", async () => {
  const folder = mkdtempSync(join(tmpdir(), "ledger-"));
  const ledger = await openSqliteLedger(join(folder, "ledger.db"));
  const close = async (): Promise<void> => {
    await ledger.close();
    rmSync(folder, { recursive: true });
  };
  return { ledger, close };
});
