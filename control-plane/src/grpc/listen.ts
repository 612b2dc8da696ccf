import { setTimeout as delay } from "node:timers/promises";
import { type Server, ServerCredentials } from "@grpc/grpc-js";
import { SallyportError } from "@sallyport/proto/errors";

/** A certificate, with those that lead up to it, and its key. */
export interface TlsCredential {
  readonly certPem: string;
  readonly keyPem: string;
}

export interface Place {
  readonly host: string;
  /** 0: any free one. */
  readonly port: number;
}

/** For clients that show who they are by something else. */
export const tlsCredentials = ({ certPem, keyPem }: TlsCredential): ServerCredentials =>
  ServerCredentials.createSsl(null, [{ cert_chain: Buffer.from(certPem), private_key: Buffer.from(keyPem) }], false);

export const hostAndPort = ({ host, port }: Place): string => `${host.includes(":") ? `[${host}]` : host}:${port}`;

/** Answers the port. Fails with `config.invalid`: `who` cannot listen there, and `settings` say where. */
export function listen(server: Server, credentials: ServerCredentials, place: Place, who: string, settings: readonly string[] = []): Promise<number> {
  const address = hostAndPort(place);
  return new Promise((resolve, reject) => {
    server.bindAsync(address, credentials, (error, port) => {
      if (error === null) return resolve(port);
      const where = settings.length === 0 ? "" : ` (${settings.join(", ")})`;
      reject(new SallyportError("config.invalid", `${who} cannot listen on ${address}: ${error.message}${where}.`, { address }, error));
    });
  });
}

/**
 * Calls that are under way may end within this, and what is to be done meanwhile. Then it is over, whoever is connected: of those who never
 * spoke gRPC has no session to cut, and a listener waits for them as long as a handshake may take.
 */
export async function shutDown(server: Server, millis: number, meanwhile: Promise<void> = Promise.resolve()): Promise<void> {
  const over = new AbortController();
  const late = delay(millis, undefined, { signal: over.signal }).catch(() => undefined);
  const orderly = new Promise<void>((resolve) => server.tryShutdown(() => resolve()));
  try {
    await Promise.race([Promise.all([orderly, meanwhile]), late]);
  } finally {
    over.abort();
    server.forceShutdown();
  }
}
