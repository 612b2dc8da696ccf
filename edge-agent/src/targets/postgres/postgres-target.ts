import { createHmac } from "node:crypto";
import type { Open, Preview } from "@sallyport/proto/gen/sallyport/tunnel/v1/tunnel";
import type { Logger } from "pino";
import type { Channel } from "@sallyport/proto/tunnel/channel";
import { ForwardingTally } from "../../attestation/forwarding-tally.ts";
import type { HeldBytes } from "../held-bytes.ts";
import { nobody, type Target, type TargetSession } from "../target.ts";
import { Catalogue } from "./catalogue/catalogue.ts";
import { CatalogueConnection } from "./catalogue/catalogue-connection.ts";
import type { Timeouts } from "./connect.ts";
import { MAX_PREVIEWS_AT_ONCE } from "./preview/limits.ts";
import { PreviewSession } from "./preview/preview-session.ts";
import { PostgresSession, type PostgresSessionDeps } from "./postgres-session.ts";
import { type PostgresResource, tlsModeOf, usesUnixSocket } from "./resource.ts";

export interface PostgresTargetDeps {
  readonly log: Logger;
  readonly timeouts: Timeouts;
  /** Of this agent, kept in its data folder. */
  readonly maskKey: Buffer;
  /** Of this agent. */
  readonly heldBytes: HeldBytes;
}

export class PostgresTarget implements Target {
  readonly protocol = "postgres";
  readonly #resource: PostgresResource;
  readonly #deps: PostgresSessionDeps;
  #previews = 0;

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

  preview(open: Open, preview: Preview, channel: Channel): TargetSession {
    if (this.#previews >= MAX_PREVIEWS_AT_ONCE) {
      channel.close({ code: "session.limit", message: "Too many previews run on this resource; try again in a while." });
      return nobody;
    }
    this.#previews++;
    const begin = (own: Open, inner: Channel): TargetSession => this.open(own, inner, new ForwardingTally(() => undefined));
    return new PreviewSession(open, preview, channel, { begin, ended: () => this.#previews--, log: this.#deps.log });
  }

  open(open: Open, channel: Channel, tally: ForwardingTally): PostgresSession {
    return new PostgresSession(this.#resource, this.#deps, open, channel, tally);
  }
}
