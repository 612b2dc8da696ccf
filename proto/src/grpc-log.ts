import { setLogger } from "@grpc/grpc-js";

interface Log {
  warn(fields: object, text: string): void;
}

/** What gRPC has to say is of the process's own log, and not lines of another form among its errors. It concerns connections, which go on. */
export function logGrpc(log: Log): void {
  setLogger({ error: (...words: unknown[]) => log.warn({ from: "grpc" }, words.join(" ")) });
}
