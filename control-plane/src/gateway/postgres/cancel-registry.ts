import { randomBytes, timingSafeEqual } from "node:crypto";

/** Protocol 3.0 has 4-byte keys. */
const KEY_BYTES = 4;

/** Maps the cancel keys that we hand out to live sessions; the target's own keys never leave its agent. */
export class CancelRegistry {
  readonly #sessions = new Map<number, { readonly key: Buffer; readonly cancel: () => void }>();

  register(cancel: () => void): { readonly processId: number; readonly key: Buffer; readonly release: () => void } {
    const key = randomBytes(KEY_BYTES);
    let processId = 0;
    do processId = randomBytes(4).readUInt32BE() & 0x7fff_ffff;
    while (processId === 0 || this.#sessions.has(processId));
    this.#sessions.set(processId, { key, cancel });
    return { processId, key, release: () => void this.#sessions.delete(processId) };
  }

  /** As PostgreSQL does, says nothing about whether it matched. */
  cancel(processId: number, key: Buffer): void {
    const session = this.#sessions.get(processId);
    if (session === undefined || session.key.length !== key.length || !timingSafeEqual(session.key, key)) return;
    session.cancel();
  }
}
