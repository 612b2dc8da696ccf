import { Unanswered } from "./client-failure.ts";

/** A stream of the client: cancelling is how its call ends, since destroying it leaves the call open. */
interface ClientStream {
  iterator(options: { readonly destroyOnReturn: boolean }): AsyncIterable<unknown>;
  resume(): unknown;
  on(event: "error", listener: (error: Error) => void): unknown;
  destroy(error?: Error): unknown;
  cancel?: (() => Promise<void>) | undefined;
  unsubscribe?: (() => Promise<void>) | undefined;
}

/**
 * What a stream of the client yields, and its end, whichever way it comes: of itself, by an error, because its client was given up (which
 * the stream itself never tells), or because nothing came for `stallMs` of waiting. Only a stream that ended by itself ends without error.
 */
export async function* itemsOf<Item>(stream: ClientStream, lost: AbortSignal, stallMs: number | undefined): AsyncGenerator<Item, void, undefined> {
  stream.on("error", () => undefined); // it emits again when nobody listens any more
  const cut = (): void => void stream.destroy(new Error("The connection to the ledger was given up."));
  if (lost.aborted) cut();
  lost.addEventListener("abort", cut);
  let waiting = true;
  const stalled = setInterval(
    () => {
      if (waiting) stream.destroy(new Unanswered());
    },
    stallMs ?? 2 ** 31 - 1,
  );
  if (stallMs === undefined) clearInterval(stalled);
  try {
    for await (const item of stream.iterator({ destroyOnReturn: false })) {
      waiting = false;
      yield item as Item;
      waiting = true;
      stalled.refresh();
    }
  } finally {
    clearInterval(stalled);
    lost.removeEventListener("abort", cut);
    stream.resume(); // what came already and nobody wants: a call that was not read to its end is kept by the client for ever
    const ending = stream.cancel?.() ?? stream.unsubscribe?.();
    ending?.catch(() => undefined); // there was no call to end
  }
}
