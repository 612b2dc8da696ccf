import { SallyportError } from "@sallyport/proto/errors";
import { encodeFrame, FRAME_HEADER_BYTES } from "@sallyport/proto/wire/postgres/frames";
import { frontend } from "@sallyport/proto/wire/postgres/message-types";
import type { Expectations } from "./expectations.ts";
import { type MessageHandler, MessageSplitter, type Treatment } from "./message-splitter.ts";
import { Outbox } from "./outbox.ts";

/** Describe and Execute carry a name; PostgreSQL cuts names at 63 bytes, so that nobody sends long ones. */
export const MAX_NAMED_MESSAGE_BYTES = 64 * 1024;

const PORTAL = 0x50;
/**
 * What goes to the target: the client's bytes, untouched. When columns have to be known, a Describe of the portal goes
 * before each Execute that does not directly follow one, and its answer is owed to us and not to the client.
 */
export class ClientSide implements MessageHandler {
  readonly #splitter = new MessageSplitter(this);
  readonly #out: Outbox;
  readonly #expectations: Expectations;
  readonly #executes: () => void;
  readonly #prepares: () => void;
  /** The portal that the message before this one described. */
  #described: Buffer | undefined;

  /** `executes`: told of each message of the client that makes the target execute something; `prepares`: plan something, which may take as long. */
  constructor(expectations: Expectations, toTarget: (bytes: Buffer) => void, executes: () => void, prepares: () => void) {
    this.#expectations = expectations;
    this.#executes = executes;
    this.#prepares = prepares;
    this.#out = new Outbox(toTarget);
  }

  /** What was described under other obligations has to be described again. */
  forgetDescribed(): void {
    this.#described = undefined;
  }

  push(bytes: Buffer): void {
    this.#splitter.push(bytes);
    this.#out.flush();
  }

  begin(type: number, size: number): Treatment {
    if (!this.#expectations.strict || (type !== frontend.describe && type !== frontend.execute)) return "pass";
    if (size > MAX_NAMED_MESSAGE_BYTES) throw new SallyportError("wire.too_large", "The name of a portal or statement is too long.");
    return "hold";
  }

  pass(bytes: Buffer, from: number, to: number): void {
    this.#out.add(bytes, from, to);
  }

  end(type: number): void {
    this.#described = undefined;
    this.#expectations.sent(type);
    if ((type === frontend.parse || type === frontend.bind) && !this.#expectations.skipping) this.#prepares();
    if (type === frontend.query || type === frontend.execute || type === frontend.functionCall) this.#executes();
  }

  held(type: number, bytes: Buffer, from: number, to: number): void {
    const expectations = this.#expectations;
    const nameAt = from + FRAME_HEADER_BYTES + (type === frontend.describe ? 1 : 0);
    const nameEnd = bytes.indexOf(0, nameAt);
    if (nameEnd < 0 || nameEnd >= to) throw new SallyportError("wire.malformed", "The name of a portal or statement is not terminated.");
    const name = bytes.subarray(nameAt, nameEnd + 1);
    const described = this.#described;
    this.#described = undefined;
    if (type === frontend.describe) {
      const portal = bytes[from + FRAME_HEADER_BYTES] === PORTAL;
      if (portal) this.#described = Buffer.from(name);
      expectations.expect(portal ? "portal" : "statement");
    } else {
      if (!expectations.skipping && described?.equals(name) !== true) {
        const describe = encodeFrame(frontend.describe, Buffer.concat([Buffer.from("P"), name]));
        this.#out.add(describe, 0, describe.length);
        expectations.expect("injected");
      }
      expectations.expect("execute");
      this.#executes();
    }
    this.#out.add(bytes, from, to);
  }
}
