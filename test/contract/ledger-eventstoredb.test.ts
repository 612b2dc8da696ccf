import { env } from "node:process";
import { describe } from "node:test";
import { openEventStoreDbLedger } from "../../control-plane/src/ledger/eventstoredb/eventstoredb-ledger.ts";
import { LedgerServer } from "../support/ledger-server.ts";
import { suiteCleanup } from "../support/suite-cleanup.ts";
import { ledgerContract } from "./ledger.contract.ts";

describe("EventStoreDB's protocol", () => {
  const cleanup = suiteCleanup();

  ledgerContract("The EventStoreDB adapter, against the endpoint in another process over TLS,", async () => {
    const server = await LedgerServer.start(cleanup, { credentials: "sally:p%40ss\n" });
    const ledger = await openEventStoreDbLedger(server.url("sally:p%2540ss"));
    return { ledger, close: () => ledger.close() };
  });

  const url = env["ESDB_URL"];
  if (url !== undefined && url !== "") {
    ledgerContract("The EventStoreDB adapter, against the server of ESDB_URL,", async () => {
      const ledger = await openEventStoreDbLedger(url);
      return { ledger, close: () => ledger.close() };
    });
  }
});
