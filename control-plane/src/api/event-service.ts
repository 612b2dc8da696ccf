import type { EventServiceServer, ReadEventsResponse } from "@sallyport/proto/gen/sallyport/api/v1/api";
import type { Ledger, LedgerFilter } from "../ledger/ledger.ts";
import { type ApiContext, streaming } from "./unary.ts";
import { eventView } from "./views.ts";

export function eventService(api: ApiContext, ledger: Ledger): EventServiceServer {
  return {
    readEvents: streaming(api, ({ streamPrefixes, afterPosition, follow, limit }, _caller, signal) => {
      const filter: LedgerFilter | undefined = streamPrefixes.length === 0 ? undefined : { by: "stream", prefixes: streamPrefixes };
      return read(ledger, filter, afterPosition, follow, limit, signal);
    }),
  };
}

async function* read(
  ledger: Ledger,
  filter: LedgerFilter | undefined,
  after: bigint | undefined,
  follow: boolean,
  limit: bigint,
  signal: AbortSignal,
): AsyncGenerator<ReadEventsResponse> {
  let left = limit === 0n ? undefined : limit;
  const start = after ?? (follow ? "end" : undefined);
  const messages = ledger.subscribeToAll({ signal, ...(start === undefined ? {} : { after: start }), ...(filter === undefined ? {} : { filter }) });
  for await (const message of messages) {
    if (message.kind === "caughtUp" && !follow) return;
    if (message.kind !== "event") continue;
    yield { event: eventView(message.event) };
    if (left !== undefined && --left === 0n) return;
  }
}
