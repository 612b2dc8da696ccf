import { createHash } from "node:crypto";

/** What one session has forwarded so far. */
export interface Forwarded {
  readonly commands: number;
  readonly bytes: number;
  /** Hex SHA-256 over all bytes, in order. */
  readonly digest: string;
}

/** Counts what a session forwards to its target; the target's side calls it as it forwards. */
export class ForwardingTally {
  readonly #ended: () => void;
  readonly #hash = createHash("sha256");
  #commands = 0;
  #bytes = 0;

  constructor(ended: () => void) {
    this.#ended = ended;
  }

  /** Of the client, in order. */
  forward(bytes: Buffer): void {
    this.#hash.update(bytes);
    this.#bytes += bytes.length;
  }

  /** A message among them makes the target execute something. */
  command(): void {
    this.#commands++;
  }

  /** Nothing more will be forwarded. Once. */
  end(): void {
    this.#ended();
  }

  get bytes(): number {
    return this.#bytes;
  }

  forwarded(): Forwarded {
    return { commands: this.#commands, bytes: this.#bytes, digest: this.#hash.copy().digest("hex") };
  }
}
