/** A number, a word, or the spelling of an entity. */
export type Scalar = string | number;

export type Comparison = "==" | "<" | "<=" | ">" | ">=";

const opposites: Readonly<Record<Exclude<Comparison, "==">, Exclude<Comparison, "==">>> = { "<": ">=", "<=": ">", ">": "<=", ">=": "<" };

/** What a number or a word can still be, beside all that is asked of it. */
export class PossibleScalar {
  #only: ReadonlySet<Scalar> | undefined;
  readonly #not = new Set<Scalar>();
  #least = -Infinity;
  #most = Infinity;

  oneOf(values: readonly Scalar[], holds: boolean): void {
    if (!holds) for (const value of values) this.#not.add(value);
    else this.#only = both(this.#only, values);
  }

  compare(how: Comparison, value: number, holds: boolean): void {
    if (how === "==") return this.oneOf([value], holds);
    switch (holds ? how : opposites[how]) {
      case "<":
        this.#most = Math.min(this.#most, value - 1);
        return;
      case "<=":
        this.#most = Math.min(this.#most, value);
        return;
      case ">":
        this.#least = Math.max(this.#least, value + 1);
        return;
      case ">=":
        this.#least = Math.max(this.#least, value);
    }
  }

  get isNothing(): boolean {
    if (this.#only !== undefined) return [...this.#only].every((value) => this.#not.has(value) || this.#isOutside(value));
    const count = this.#most - this.#least + 1;
    if (count > this.#not.size) return false;
    for (let value = this.#least; value <= this.#most; value++) if (!this.#not.has(value)) return false;
    return true;
  }

  #isOutside(value: Scalar): boolean {
    return typeof value === "number" && (value < this.#least || value > this.#most);
  }
}

/** Of a longer chain of conclusions the end is not seen; each goes through all that is asked. */
export const MAX_PASSES = 16;

/** What a set of words can still be. */
export class PossibleSet {
  readonly #has = new Set<Scalar>();
  readonly #hasNot = new Set<Scalar>();
  /** Nothing but these can be in it. */
  #only: ReadonlySet<Scalar> | undefined;
  /** Of each of these lists it has some word. */
  readonly #someOf: (readonly Scalar[])[] = [];
  /** Of each of these lists it lacks some word. */
  readonly #notAllOf: (readonly Scalar[])[] = [];
  /** Beside each of these it has a word. */
  readonly #moreThan: ReadonlySet<Scalar>[] = [];

  all(words: readonly Scalar[], holds: boolean): void {
    if (!holds) this.#notAllOf.push(words);
    else for (const word of words) this.#has.add(word);
  }

  some(words: readonly Scalar[], holds: boolean): void {
    if (holds) this.#someOf.push(words);
    else for (const word of words) this.#hasNot.add(word);
  }

  nothingBut(words: readonly Scalar[], holds: boolean): void {
    if (!holds) this.#moreThan.push(new Set(words));
    else this.#only = both(this.#only, words);
  }

  get isNothing(): boolean {
    for (let pass = 0; pass < MAX_PASSES; pass++) {
      const before = this.#has.size + this.#hasNot.size;
      if (this.#contradicts() || !this.#conclude()) return true;
      if (this.#has.size + this.#hasNot.size === before) return false;
    }
    return false;
  }

  #canHave(word: Scalar): boolean {
    return !this.#hasNot.has(word) && (this.#only === undefined || this.#only.has(word));
  }

  #contradicts(): boolean {
    return [...this.#has].some((word) => !this.#canHave(word));
  }

  /** Where one word is left that can do what is asked, it must. False: none is left. */
  #conclude(): boolean {
    const only = [...(this.#only ?? [])];
    const beside = this.#only === undefined ? [] : this.#moreThan.map((words) => only.filter((word) => !words.has(word)));
    for (const words of [...this.#someOf, ...beside]) {
      const left = words.filter((word) => this.#canHave(word));
      if (left.length === 0) return false;
      if (left[0] !== undefined && left.length === 1) this.#has.add(left[0]);
    }
    for (const words of this.#notAllOf) {
      const left = words.filter((word) => !this.#has.has(word));
      if (left.length === 0) return false;
      if (left[0] !== undefined && left.length === 1) this.#hasNot.add(left[0]);
    }
    return true;
  }
}

/** What cannot be looked into: it holds, or it does not. */
export class PossibleTruth {
  readonly #asked = new Set<boolean>();

  ask(holds: boolean): void {
    this.#asked.add(holds);
  }

  get isNothing(): boolean {
    return this.#asked.size > 1;
  }
}

const both = (before: ReadonlySet<Scalar> | undefined, now: readonly Scalar[]): ReadonlySet<Scalar> =>
  new Set(before === undefined ? now : now.filter((value) => before.has(value)));
