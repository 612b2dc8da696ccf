/** What grpc-js gives a handler that answers with a stream. */
interface Outgoing<Message> extends NodeJS.EventEmitter {
  write(message: Message): boolean;
}

/** Writes what comes, at the pace of whoever reads; stops when the signal aborts. */
export async function pump<Message>(call: Outgoing<Message>, messages: AsyncIterable<Message>, signal: AbortSignal): Promise<void> {
  for await (const message of messages) {
    if (signal.aborted) return;
    if (!call.write(message)) await drained(call, signal);
  }
}

async function drained(call: NodeJS.EventEmitter, signal: AbortSignal): Promise<void> {
  if (signal.aborted) return;
  await new Promise<void>((resolve) => {
    const done = (): void => {
      call.off("drain", done);
      signal.removeEventListener("abort", done);
      resolve();
    };
    call.on("drain", done);
    signal.addEventListener("abort", done);
  });
}
