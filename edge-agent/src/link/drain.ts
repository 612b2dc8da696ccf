/** How long running sessions may go on after the first signal. */
export const DRAIN_TIMEOUT_MS = 30_000;

/**
 * One wish to stop may come several times: a service manager signals the whole group, and npm and our command line pass on theirs.
 * Whoever means to cut signals again after this.
 */
export const SIGNAL_ECHO_MS = 2_000;

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

/** The first SIGTERM or SIGINT drains, a later one that is no echo of it cuts; a parent that goes away drains. */
export function shutdownSignals(source: SignalSource, parent?: Parent, now: () => number = () => performance.now()): ShutdownSignals {
  const drain = new AbortController();
  const cut = new AbortController();
  let first: number | undefined;
  const signalled = (): void => {
    first ??= now();
    drain.abort();
    if (now() - first > SIGNAL_ECHO_MS) cut.abort();
  };
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
