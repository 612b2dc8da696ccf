/** What an aggregate looks like to those who decide on it, and how an event changes it. */
export interface Viewing<View, Event> {
  readonly idOf: (event: Event) => string;
  /** Undefined: the event begins nothing. */
  readonly evolve: (view: View | undefined, event: Event, at: string) => View | undefined;
  /** Nothing can follow. */
  readonly isFinal: (view: View) => boolean;
}

/** Views in memory: every open one, and the last settled ones. */
export class ViewIndex<View, Event> {
  readonly #viewing: Viewing<View, Event>;
  readonly #views = new Map<string, { readonly view: View; readonly revision: bigint }>();
  readonly #maxSettled: number;
  /** In the order in which they settled. */
  readonly #settled = new Set<string>();

  constructor(viewing: Viewing<View, Event>, maxSettled: number) {
    this.#viewing = viewing;
    this.#maxSettled = maxSettled;
  }

  get(id: string): View | undefined {
    return this.#views.get(id)?.view;
  }

  revisionOf(id: string): bigint {
    return this.#views.get(id)?.revision ?? -1n;
  }

  all(): View[] {
    return Array.from(this.#views.values(), ({ view }) => view);
  }

  get openCount(): number {
    return this.#views.size - this.#settled.size;
  }

  apply(revision: bigint, event: Event, at: string): boolean {
    const id = this.#viewing.idOf(event);
    const known = this.#views.get(id);
    if (known !== undefined && revision <= known.revision) return false;
    const view = this.#viewing.evolve(known?.view, event, at);
    // An event of one that was dropped: it had settled, so this one was known before.
    if (view === undefined) return false;
    this.#views.set(id, { view, revision });
    if (this.#viewing.isFinal(view)) this.#settle(id);
    return true;
  }

  /** Those that `change` gives back as they were stay as they are. */
  change(change: (view: View) => View): void {
    for (const [id, known] of this.#views) {
      const view = change(known.view);
      if (view !== known.view) this.#views.set(id, { ...known, view });
    }
  }

  /** A settled one that was removed from the record. */
  drop(id: string): void {
    if (this.#settled.delete(id)) this.#views.delete(id);
  }

  close(id: string): void {
    this.#settled.delete(id);
    this.#views.delete(id);
  }

  #settle(id: string): void {
    this.#settled.add(id);
    for (const oldest of this.#settled) {
      if (this.#settled.size <= this.#maxSettled) return;
      this.#settled.delete(oldest);
      this.#views.delete(oldest);
    }
  }
}
