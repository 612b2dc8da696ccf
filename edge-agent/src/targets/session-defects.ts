import { AsyncLocalStorage } from "node:async_hooks";
import type { Channel, ChannelHandlers, CloseReason } from "@sallyport/proto/tunnel/channel";
import type { Logger } from "pino";

type EndSession = (error: unknown) => void;

const running = new AsyncLocalStorage<EndSession>();
const DEFECT: CloseReason = { code: "internal", message: "A defect ended this session." };

/**
 * Runs one session so that a promise of it that fails where nobody waits for it ends this session and not the process, with all the
 * others in it. What `open` begins, and what the channel delivers, is the session's; so is all that follows from either.
 */
export function withDefectsContained(open: () => ChannelHandlers, channel: Channel, log: Logger): ChannelHandlers {
  const end: EndSession = (error) => {
    log.error({ err: error }, "a defect ended a session");
    channel.close(DEFECT);
    session.closed(DEFECT);
  };
  const within = <T>(step: () => T): T => running.run(end, step);
  const session = within(open);
  return {
    data: (bytes) => within(() => session.data(bytes)),
    control: (body) => within(() => session.control(body)),
    drained: () => within(() => session.drained()),
    closed: (reason) => within(() => session.closed(reason)),
  };
}

/** For the whole process, once. A defect of no session still ends the process: nobody could say what state it is in. */
export function containDefects(): void {
  process.on("unhandledRejection", (error) => {
    const end = running.getStore();
    if (end === undefined) throw error;
    end(error);
  });
}
