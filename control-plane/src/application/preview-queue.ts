import { SallyportError } from "@sallyport/proto/errors";

/** People that wait for a look at one resource. More of them would wait longer than anybody does. */
export const MAX_WAITING_PREVIEWS = 8;

/** One preview at a time on each resource: whoever else may decide must not become a load on the target. */
export class PreviewQueue {
  readonly #lines = new Map<string, { length: number; last: Promise<unknown> }>();

  /** Fails with `session.limit` when too many wait. */
  async run<T>(resource: string, look: () => Promise<T>): Promise<T> {
    const line = this.#lines.get(resource) ?? { length: 0, last: Promise.resolve() };
    if (line.length > MAX_WAITING_PREVIEWS) {
      throw new SallyportError("session.limit", "Too many previews wait for this resource; try again in a while.", { resource });
    }
    this.#lines.set(resource, line);
    line.length++;
    const turn = line.last.then(look);
    line.last = turn.catch(() => undefined);
    try {
      return await turn;
    } finally {
      line.length--;
      if (line.length === 0) this.#lines.delete(resource);
    }
  }
}
