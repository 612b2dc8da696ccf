import type { Open, Preview, Resource } from "@sallyport/proto/gen/sallyport/tunnel/v1/tunnel";
import type { ForwardingTally } from "../attestation/forwarding-tally.ts";
import type { Channel, ChannelHandlers } from "@sallyport/proto/tunnel/channel";
import type { Logger } from "pino";
import { withDefectsContained } from "./session-defects.ts";

/** One session on a target. It lives until it closes its channel or is told `closed`, and then frees all that it holds. */
export interface TargetSession extends ChannelHandlers {}

/** One thing in the private network that sessions can be opened on. What it speaks is its own affair. */
export interface Target {
  readonly protocol: string;
  /** Connects, logs in, then posts `Opened` on the channel, or closes the channel with a code. Returns the channel's handlers at once.
   * Tells `tally` of all that it forwards, and of the end. */
  open(open: Open, channel: Channel, tally: ForwardingTally): TargetSession;
  /** Looks at what a command would do, then posts `Previewed`, or closes the channel with a code. No session: nothing of it is attested. */
  preview(open: Open, preview: Preview, channel: Channel): TargetSession;
}

export interface ServedResource {
  readonly name: string;
  readonly labels: Readonly<Record<string, string>>;
  readonly target: Target;
}

/** What a channel gets that could not be opened: it is closed already. */
export const nobody: TargetSession = { data: () => {}, control: () => {}, drained: () => {}, closed: () => {} };

/** Everything that this agent serves, by resource name. */
export class TargetDirectory {
  readonly #served: ReadonlyMap<string, ServedResource>;
  readonly #tallyOf: (sessionId: string) => ForwardingTally;
  readonly #log: Logger;

  constructor(served: readonly ServedResource[], tallyOf: (sessionId: string) => ForwardingTally, log: Logger) {
    this.#tallyOf = tallyOf;
    this.#log = log;
    this.#served = new Map(served.map((resource) => [resource.name, resource]));
    if (this.#served.size !== served.length) throw new Error("two resources have one name");
  }

  /** As `Hello` announces them: no address and no credential. */
  get resources(): Resource[] {
    return [...this.#served.values()].map(({ name, labels, target }) => ({ name, protocol: target.protocol, labels: { ...labels } }));
  }

  open(open: Open, channel: Channel): TargetSession {
    const resource = this.#served.get(open.resource);
    if (resource === undefined) {
      channel.close({ code: "resource.not_found", message: "The agent does not serve this resource." });
      return nobody;
    }
    const { preview, sessionId } = open;
    const begin = (): TargetSession =>
      preview === undefined ? resource.target.open(open, channel, this.#tallyOf(sessionId)) : resource.target.preview(open, preview, channel);
    return withDefectsContained(begin, channel, this.#log.child({ session: sessionId }));
  }
}
