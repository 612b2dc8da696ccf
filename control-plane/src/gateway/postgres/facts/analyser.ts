import { isUtf8 } from "node:buffer";
import { LruMap } from "../../../lru-map.ts";
import { type StatementAnalyser, type StatementAnalysis, unclassified } from "./analysis.ts";
import { hasOperatorRun } from "./operator-run.ts";
import { type Outcome, ParserLane } from "./parser-lane.ts";
import { templateOf } from "./number-template.ts";
import { redact, renderBytes, withheld } from "./redact.ts";

/**
 * SQL text in, facts out. Owns the parser threads and the caches.
 *
 * 1. An answer is always given; what cannot be analysed is `unclassified` and says why.
 * 2. Parsing never happens on this thread: no text delays another session's bytes.
 * 3. Long texts have a parser of their own, behind everybody else: neither they, nor what they break, delay short ones.
 * 4. No secret leaves: what is not searched for secrets is not shown.
 */

/** A longer statement is bulk data or an attack; parsing it would take more than 0.1 s and 100 MB. */
export const MAX_PARSED_BYTES = 256 << 10;
/** Nearly all statements of people and programs are shorter; longer ones go to the second parser. */
export const SHORT_TEXT_CHARS = 16 << 10;
/**
 * Of CPU time, for any text and for each character of it. The slowest honest texts take 0.7 µs a character on a slow core; one that takes
 * four times that is hostile.
 */
export const PARSE_CPU_MS = 250;
export const PARSE_CPU_US_PER_CHAR = 3;
/** By the clock: a parser that hangs without working, or on a machine that leaves it nothing. */
export const PARSE_CLOCK_MS = 30_000;
/** Enough to keep the parser of short texts busy between two turns of the event loop; few, because each is sent again when the thread dies. */
export const SHORT_IN_FLIGHT = 16;
/** Of long texts: none stands behind another one that breaks the parser. */
export const LONG_IN_FLIGHT = 1;
/** Longer runs of operator characters cost the lexer the square of their length, so that they count as long however short the text is. No operator has 64. */
export const MAX_OPERATOR_RUN = 256;
/** Some 10,000 statements of ordinary length. */
export const MAX_CACHE_BYTES = 32 << 20;

export interface AnalyserOptions {
  /** By a text's length; tests are less patient. */
  readonly cpuLimitMs?: (text: string) => number;
  readonly maxCacheBytes?: number;
  /**
   * Functions and operators that this installation vouches for (they change nothing, and read nothing but their arguments), as they are written: `similarity`, `public.st_distance`, `operator(<=>)`.
   * Without this every function that is not PostgreSQL's own makes a statement unclassified.
   */
  readonly harmlessFunctions?: readonly string[];
}

export function createStatementAnalyser(options: AnalyserOptions = {}): StatementAnalyser {
  return new GuardedAnalyser(options);
}

class GuardedAnalyser implements StatementAnalyser {
  readonly #short: ParserLane;
  readonly #long: ParserLane;
  /** Keyed by the exact text: nothing else is the same statement. */
  readonly #cache: LruMap<StatementAnalysis>;
  /** By what texts have in common that differ in numbers only, where the numbers do not matter. */
  readonly #templates: LruMap<StatementAnalysis>;
  /** The same text sent by many at once is parsed once. */
  readonly #underWay = new Map<string, Promise<StatementAnalysis>>();

  constructor({ cpuLimitMs, maxCacheBytes = MAX_CACHE_BYTES, harmlessFunctions = [] }: AnalyserOptions) {
    const limits = { cpuLimitMs: cpuLimitMs ?? cpuLimitOf, clockLimitMs: PARSE_CLOCK_MS, harmlessFunctions };
    this.#short = new ParserLane({ ...limits, maxInFlight: SHORT_IN_FLIGHT, background: false });
    this.#long = new ParserLane({ ...limits, maxInFlight: LONG_IN_FLIGHT, background: true });
    this.#cache = textCache(maxCacheBytes / 2);
    this.#templates = textCache(maxCacheBytes / 2);
  }

  analyse(sql: Buffer): StatementAnalysis | Promise<StatementAnalysis> {
    if (!isUtf8(sql) || sql.includes(0)) return this.#notText(sql);
    const text = sql.toString("utf8");
    const known = this.#cache.get(text);
    if (known !== undefined) return known;
    if (sql.length > MAX_PARSED_BYTES) return this.#unparsed(text, `is longer than ${MAX_PARSED_BYTES} bytes`);
    const template = sql.length > SHORT_TEXT_CHARS ? undefined : templateOf(text);
    const alike = template === undefined ? undefined : this.#templates.get(template);
    if (alike !== undefined) return { ...alike, recordable: text };
    const underWay = this.#underWay.get(text);
    if (underWay !== undefined) return underWay;
    const analysis = this.#parsed(text, template).finally(() => this.#underWay.delete(text));
    this.#underWay.set(text, analysis);
    return analysis;
  }

  ready(): Promise<void> {
    return this.#short.ready();
  }

  async close(): Promise<void> {
    await Promise.all([this.#short.close(), this.#long.close()]);
  }

  async #parsed(text: string, template: string | undefined): Promise<StatementAnalysis> {
    const short = text.length <= SHORT_TEXT_CHARS && !hasOperatorRun(text, MAX_OPERATOR_RUN);
    const outcome = await (short ? this.#short : this.#long).run(text, "analyse");
    switch (outcome.kind) {
      case "analysed": {
        const { holdsForTemplate, ...found } = outcome.analysis;
        const analysis = { ...found, recordable: outcome.recordable ?? text };
        if (template !== undefined && holdsForTemplate) this.#templates.set(template, analysis);
        else this.#cache.set(text, analysis);
        return analysis;
      }
      case "failed": {
        if (outcome.cause === "start") return this.#hidden(text, "the parser does not start");
        const analysis = await this.#unparsed(text, outcome.cause === "time" ? "takes too long to parse" : "breaks the parser");
        // So that sending it again does not cost another thread.
        this.#cache.set(text, analysis);
        return analysis;
      }
      default:
        return this.#hidden(text, "too many statements wait to be parsed");
    }
  }

  async #unparsed(text: string, reason: string): Promise<StatementAnalysis> {
    const outcome: Outcome = await this.#long.run(text, "redact");
    if (outcome.kind !== "searched") return this.#hidden(text, reason);
    return unclassified(reason, outcome.recordable ?? text, outcome.redacted);
  }

  #hidden(text: string, reason: string): StatementAnalysis {
    const { recordable, redacted } = withheld(text);
    return unclassified(reason, recordable, redacted);
  }

  /** Rendered and searched here: the bound keeps it short. */
  #notText(sql: Buffer): StatementAnalysis {
    const reason = sql.includes(0) ? "holds a NUL byte" : "is not UTF-8";
    if (sql.length > SHORT_TEXT_CHARS) return unclassified(reason, `<unparsed statement of ${sql.length} bytes, redacted>`, true);
    const { recordable, redacted } = redact(renderBytes(sql), false);
    return unclassified(reason, recordable, redacted);
  }
}

/** One text must not push out what many others left. */
const textCache = (maxBytes: number): LruMap<StatementAnalysis> => new LruMap(maxBytes, entryBytes, maxBytes / 8);

/** The recordable text is as long as the text at most, names in the facts are part of it, and an entry costs something besides its texts. */
const entryBytes = (text: string): number => text.length * 4 + 1_024;

const cpuLimitOf = (text: string): number => PARSE_CPU_MS + (text.length * PARSE_CPU_US_PER_CHAR) / 1_000;
