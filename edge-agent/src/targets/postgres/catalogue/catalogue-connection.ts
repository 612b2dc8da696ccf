import type { Socket } from "node:net";
import { connectAndLogin, type Timeouts } from "../connect.ts";
import { destroyAfter } from "../connection.ts";
import { ConnectionLost } from "../failure.ts";
import type { PostgresResource } from "../resource.ts";
import { startupParameters } from "../startup-parameters.ts";
import { windDown } from "../wind-down.ts";
import { type Finding, lookUp, type Wanted } from "./lookup.ts";

/** A lookup is a few index scans of small tables; one that takes longer is stuck behind somebody's lock, and so are its sessions. */
export const LOOKUP_TIMEOUT_MS = 10_000;
/** The connection is closed when nobody has needed it for so long. */
export const CATALOGUE_IDLE_MS = 60_000;

/**
 * The agent's own connection to a resource, for lookups in its catalogue: a session's may be inside a transaction, or busy.
 *
 * K1. At most one, opened when it is needed and closed when it is not; asked one thing at a time by its owner.
 * K2. After any failure there is no connection: the next lookup makes a new one. One that was found dead is replaced once, unasked.
 */
export class CatalogueConnection {
  readonly #resource: PostgresResource;
  readonly #timeouts: Timeouts;
  #socket: Socket | undefined;
  #idle: NodeJS.Timeout | undefined;

  constructor(resource: PostgresResource, timeouts: Timeouts) {
    this.#resource = resource;
    this.#timeouts = timeouts;
  }

  async ask(wanted: Wanted, tables: readonly string[]): Promise<readonly Finding[]> {
    clearTimeout(this.#idle);
    const kept = this.#socket;
    this.#socket = undefined;
    if (kept !== undefined && !kept.destroyed) {
      try {
        return await this.#askOn(kept, wanted, tables);
      } catch (error) {
        // Closed by the server or a firewall while it was idle: nothing was answered, so that it can be asked again.
        if (!(error instanceof ConnectionLost)) throw error;
      }
    }
    return this.#askOn(await this.#open(), wanted, tables);
  }

  async #askOn(socket: Socket, wanted: Wanted, tables: readonly string[]): Promise<readonly Finding[]> {
    using _limit = destroyAfter(LOOKUP_TIMEOUT_MS, socket);
    socket.ref();
    try {
      const findings = await lookUp(socket, this.#resource, wanted, tables);
      this.#keep(socket);
      return findings;
    } catch (error) {
      const cause = socket.errored ?? error;
      socket.destroy();
      throw cause;
    }
  }

  #keep(socket: Socket): void {
    // Neither it nor its timer keeps a process alive that is done.
    socket.unref();
    this.#socket = socket;
    this.#idle = setTimeout(() => this.#close(), CATALOGUE_IDLE_MS).unref();
  }

  #close(): void {
    const socket = this.#socket;
    this.#socket = undefined;
    if (socket !== undefined) void windDown(socket, this.#timeouts.closeTimeoutMs, false, async () => {});
  }

  async #open(): Promise<Socket> {
    const parameters = startupParameters(this.#resource, { application_name: "sallyport catalogue" });
    const { socket } = await connectAndLogin(this.#resource, parameters, this.#timeouts);
    return socket;
  }
}
