import type { Open } from "@sallyport/proto/gen/sallyport/tunnel/v1/tunnel";
import type { Channel } from "@sallyport/proto/tunnel/channel";
import type { ForwardingTally } from "../../attestation/forwarding-tally.ts";
import type { Target } from "../target.ts";
import { PostgresSession, type PostgresSessionDeps } from "./postgres-session.ts";
import { type PostgresResource, tlsModeOf, usesUnixSocket } from "./resource.ts";

export class PostgresTarget implements Target {
  readonly protocol = "postgres";
  readonly #resource: PostgresResource;
  readonly #deps: PostgresSessionDeps;

  constructor(resource: PostgresResource, deps: PostgresSessionDeps) {
    this.#resource = resource;
    this.#deps = { ...deps, log: deps.log.child({ resource: resource.name }) };
    const tls = tlsModeOf(resource);
    if (tls !== "verify-full" && !usesUnixSocket(resource)) this.#deps.log.warn({ tls }, "the connection to this target is weaker than verify-full");
  }

  open(open: Open, channel: Channel, tally: ForwardingTally): PostgresSession {
    return new PostgresSession(this.#resource, this.#deps, open, channel, tally);
  }
}
