/**
 * One wish to stop may come several times: a service manager signals the whole group, and npm and our command line pass on theirs.
 * Whoever means to cut signals again after this.
 */
export const SIGNAL_ECHO_MS = 2_000;

interface SignalSource {
  on(signal: "SIGTERM" | "SIGINT", listener: () => void): unknown;
}

interface Stops {
  /** In order; called once. */
  readonly stop: () => void;
  readonly cut: () => void;
}

/** The first SIGTERM or SIGINT stops, a later one that is no echo of it cuts. Answers the way to stop for another reason than a signal. */
export function onStopSignals(source: SignalSource, { stop, cut }: Stops, now: () => number = () => performance.now()): () => void {
  let first: number | undefined;
  const begin = (): void => {
    if (first !== undefined) return;
    first = now();
    stop();
  };
  const signalled = (): void => {
    begin();
    if (first !== undefined && now() - first > SIGNAL_ECHO_MS) cut();
  };
  source.on("SIGTERM", signalled);
  source.on("SIGINT", signalled);
  return begin;
}
