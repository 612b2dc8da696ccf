import { createHmac } from "node:crypto";
import type { Open } from "@sallyport/proto/gen/sallyport/tunnel/v1/tunnel";
import type { Logger } from "pino";
import type { Channel } from "@sallyport/proto/tunnel/channel";
import type { ForwardingTally } from "../../attestation/forwarding-tally.ts";
import type { Target } from "../target.ts";
import { Catalogue } from "./catalogue/catalogue.ts";
import { CatalogueConnection } from "./catalogue/catalogue-connection.ts";
import type { Timeouts } from "./connect.ts";
import { PostgresSession, type PostgresSessionDeps } from "./postgres-session.ts";
import { type PostgresResource, tlsModeOf, usesUnixSocket } from "./resource.ts";

export interface PostgresTargetDeps {
  readonly log: Logger;
  readonly timeouts: Timeouts;
  /** Of this agent, kept in its data folder. */
  readonly maskKey: Buffer;
}

export class PostgresTarget implements Target {
  readonly protocol = "postgres";
  readonly #resource: PostgresResource;
  readonly #deps: PostgresSessionDeps;

  constructor(resource: PostgresResource, deps: PostgresTargetDeps) {
    this.#resource = resource;
    const connection = new CatalogueConnection(resource, deps.timeouts);
    const catalogue = new Catalogue((wanted, tables) => connection.ask(wanted, tables));
    // A key of the resource's own: tokens of two resources say nothing about each other.
    const tokenKey = createHmac("sha256", deps.maskKey).update(`token:${resource.name}`).digest();
    this.#deps = { ...deps, catalogue, tokenKey, log: deps.log.child({ resource: resource.name }) };
    const tls = tlsModeOf(resource);
    if (tls !== "verify-full" && !usesUnixSocket(resource)) this.#deps.log.warn({ tls }, "the connection to this target is weaker than verify-full");
  }

  open(open: Open, channel: Channel, tally: ForwardingTally): PostgresSession {
    return new PostgresSession(this.#resource, this.#deps, open, channel, tally);
  }
}
