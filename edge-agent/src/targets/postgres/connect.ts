import { connect, type Socket } from "node:net";
import { type Connection, destroyAfter, destroyWhen, settled } from "./connection.ts";
import { type LoggedIn, login } from "./login.ts";
import { negotiateTls } from "./negotiate-tls.ts";
import { type PostgresResource, tlsModeOf, usesUnixSocket } from "./resource.ts";

/** NAT and firewalls forget silent connections after some minutes; this is well below the shortest in use. */
export const KEEPALIVE_DELAY_MS = 30_000;

export interface Timeouts {
  readonly connectTimeoutMs: number;
  readonly loginTimeoutMs: number;
  readonly closeTimeoutMs: number;
}

/**
 * Connects and negotiates TLS. The caller owns the socket; nothing of it is left behind when this throws or `signal` aborts.
 * `address` replaces name resolution (a cancel request must reach the very server that runs the session); the certificate is
 * still checked against the configured host.
 */
export async function connectTarget(resource: PostgresResource, timeouts: Timeouts, signal?: AbortSignal, address = resource.host): Promise<Connection> {
  const socket = await openSocket(resource, address, timeouts.connectTimeoutMs, signal);
  if (usesUnixSocket(resource)) return { socket, transport: "unix socket", channelBinding: undefined };
  if (tlsModeOf(resource) === "disable") return { socket, transport: "plaintext", channelBinding: undefined };
  return guarded(socket, timeouts.loginTimeoutMs, signal, () => negotiateTls(socket, resource));
}

/**
 * Connects and logs in within the time limits. The socket then holds nothing but what the server says after
 * its first ReadyForQuery.
 */
export async function connectAndLogin(
  resource: PostgresResource,
  parameters: ReadonlyMap<string, string>,
  timeouts: Timeouts,
  signal?: AbortSignal,
): Promise<Connection & LoggedIn> {
  const connection = await connectTarget(resource, timeouts, signal);
  const loggedIn = await guarded(connection.socket, timeouts.loginTimeoutMs, signal, () => login(connection, resource, parameters));
  return { ...connection, ...loggedIn };
}

async function openSocket(resource: PostgresResource, address: string, timeoutMs: number, signal?: AbortSignal): Promise<Socket> {
  signal?.throwIfAborted();
  const where = usesUnixSocket(resource) ? { path: `${resource.host}/.s.PGSQL.${resource.port}` } : { host: address, port: resource.port };
  const socket = connect({ ...where, noDelay: true, keepAlive: true, keepAliveInitialDelay: KEEPALIVE_DELAY_MS, allowHalfOpen: true });
  await guarded(socket, timeoutMs, signal, () => settled(socket, "connect"));
  return socket;
}

/** Runs one step of a connection under a time limit and the session's life; a failure leaves no socket. */
async function guarded<T>(socket: Socket, timeoutMs: number, signal: AbortSignal | undefined, step: () => Promise<T>): Promise<T> {
  using _limit = destroyAfter(timeoutMs, socket);
  using _life = signal === undefined ? undefined : destroyWhen(signal, socket);
  try {
    return await step();
  } catch (error) {
    // A time limit is reported as what it is, not as the closed connection that it makes of the step.
    const cause = socket.errored ?? error;
    socket.destroy();
    throw cause;
  }
}
