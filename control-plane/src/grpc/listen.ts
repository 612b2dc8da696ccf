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

/** Calls that are under way may end within this. */
export async function shutDown(server: Server, millis: number): Promise<void> {
  const cut = setTimeout(() => server.forceShutdown(), millis);
  await new Promise<void>((resolve) => server.tryShutdown(() => resolve()));
  clearTimeout(cut);
}
