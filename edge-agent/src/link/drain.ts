/** How long running sessions may go on after the first signal. */
export const DRAIN_TIMEOUT_MS = 30_000;

export interface ShutdownSignals {
  /** No new session; the running ones may end. */
  readonly drain: AbortSignal;
  /** End everything now. */
  readonly cut: AbortSignal;
  /** Gives the process its default behaviour back. */
  dispose(): void;
}

interface SignalSource {
  on(signal: "SIGTERM" | "SIGINT", listener: () => void): unknown;
  off(signal: "SIGTERM" | "SIGINT", listener: () => void): unknown;
}

/** A parent's end of our standard input: when it closes, the parent is gone. */
interface Parent {
  on(event: "end" | "close", listener: () => void): unknown;
  resume(): unknown;
  destroy(): unknown;
}

/** The first SIGTERM or SIGINT drains, the second cuts; a parent that goes away drains. */
export function shutdownSignals(source: SignalSource, parent?: Parent): ShutdownSignals {
  const drain = new AbortController();
  const cut = new AbortController();
  const signalled = (): void => (drain.signal.aborted ? cut : drain).abort();
  source.on("SIGTERM", signalled);
  source.on("SIGINT", signalled);
  parent?.on("end", () => drain.abort());
  parent?.on("close", () => drain.abort());
  parent?.resume();
  const dispose = (): void => {
    source.off("SIGTERM", signalled);
    source.off("SIGINT", signalled);
    parent?.destroy(); // or it would keep the process alive
  };
  return { drain: drain.signal, cut: cut.signal, dispose };
}
