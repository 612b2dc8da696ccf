import { SallyportError } from "@sallyport/proto/errors";
import type { Frame } from "@sallyport/proto/wire/postgres/frames";
import { frontend } from "@sallyport/proto/wire/postgres/message-types";
import { GROUP_BYTES, GROUP_COMMANDS } from "./limits.ts";

/** What is judged, recorded and forwarded as one. */
export type Unit =
  | { readonly kind: "query"; readonly frame: Frame }
  | { readonly kind: "function_call"; readonly frame: Frame }
  /** Extended-protocol messages up to a Sync, a Flush, or the bound on what is collected. */
  | { readonly kind: "extended"; readonly frames: readonly Frame[]; readonly end: "sync" | "flush" | "bound" }
  | { readonly kind: "copy"; readonly frame: Frame; readonly last: boolean }
  | { readonly kind: "terminate" };

/**
 * Cuts the client's messages into units, in order.
 *
 * U1. A unit is complete before it is handed out; one that never completes is bounded by GROUP_BYTES (or one message) and
 *     by GROUP_COMMANDS.
 * U2. `waitingBytes` counts everything that is not handed out yet, and what it costs to keep each message.
 */
export class UnitQueue {
  readonly #units: Unit[] = [];
  #collecting: Frame[] = [];
  #collectingBytes = 0;
  #collectingCommands = 0;
  #waitingBytes = 0;
  #wake: (() => void) | undefined;

  get waitingBytes(): number {
    return this.#waitingBytes;
  }

  /** Nothing is there to take. */
  get empty(): boolean {
    return this.#units.length === 0;
  }

  push(frames: readonly Frame[]): void {
    for (const frame of frames) {
      this.#waitingBytes += weigh(frame);
      this.#add(frame);
    }
    if (this.#units.length > 0) this.#wake?.();
  }

  /** Nothing more will come: what was collected is handed out, and then the end. */
  end(): void {
    this.#finish("bound");
    this.#waitingBytes += FRAME_OVERHEAD_BYTES;
    this.#units.push({ kind: "terminate" });
    this.#wake?.();
  }

  shift(): Unit | undefined {
    const unit = this.#units.shift();
    if (unit !== undefined) this.#waitingBytes -= sizeOf(unit);
    return unit;
  }

  /** Resolves when there is a unit to take. One waiter at a time. */
  async available(): Promise<void> {
    if (this.#units.length > 0) return;
    await new Promise<void>((resolve) => {
      this.#wake = resolve;
    });
    this.#wake = undefined;
  }

  /** Lets a waiter go, with nothing to take. */
  wake(): void {
    this.#wake?.();
  }

  #add(frame: Frame): void {
    switch (frame.type) {
      case frontend.query:
        this.#finish("bound");
        this.#units.push({ kind: "query", frame });
        break;
      case frontend.functionCall:
        this.#finish("bound");
        this.#units.push({ kind: "function_call", frame });
        break;
      case frontend.parse:
      case frontend.bind:
      case frontend.describe:
      case frontend.execute:
      case frontend.close:
        this.#collect(frame);
        if (this.#collectingBytes >= GROUP_BYTES || this.#collectingCommands >= GROUP_COMMANDS) this.#finish("bound");
        break;
      case frontend.sync:
        this.#collect(frame);
        this.#finish("sync");
        break;
      case frontend.flush:
        this.#collect(frame);
        this.#finish("flush");
        break;
      case frontend.copyData:
        this.#finish("bound");
        this.#units.push({ kind: "copy", frame, last: false });
        break;
      case frontend.copyDone:
      case frontend.copyFail:
        this.#finish("bound");
        this.#units.push({ kind: "copy", frame, last: true });
        break;
      case frontend.terminate:
        this.#finish("bound");
        // Its frame is not kept, but was counted.
        this.#waitingBytes += FRAME_OVERHEAD_BYTES - weigh(frame);
        this.#units.push({ kind: "terminate" });
        break;
      default:
        throw new SallyportError("wire.malformed", `A client message of unknown type 0x${frame.type.toString(16).padStart(2, "0")}.`);
    }
  }

  #collect(frame: Frame): void {
    this.#collecting.push(frame);
    this.#collectingBytes += frame.raw.length;
    if (frame.type === frontend.execute || frame.type === frontend.bind) this.#collectingCommands += 0.5;
  }

  #finish(end: "sync" | "flush" | "bound"): void {
    if (this.#collecting.length === 0) return;
    this.#units.push({ kind: "extended", frames: this.#collecting, end });
    this.#collecting = [];
    this.#collectingBytes = 0;
    this.#collectingCommands = 0;
  }
}

/** What a message costs to keep beyond its bytes: objects around it. A flood of tiny messages must not look like nothing. */
const FRAME_OVERHEAD_BYTES = 256;

const weigh = (frame: Frame): number => frame.raw.length + FRAME_OVERHEAD_BYTES;

/** Bytes of memory that a unit stands for. */
export function sizeOf(unit: Unit): number {
  switch (unit.kind) {
    case "terminate":
      return FRAME_OVERHEAD_BYTES;
    case "extended":
      return unit.frames.reduce((sum, frame) => sum + weigh(frame), 0);
    default:
      return weigh(unit.frame);
  }
}
