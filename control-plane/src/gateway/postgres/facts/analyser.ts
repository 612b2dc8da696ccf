import { isUtf8 } from "node:buffer";
import { type StatementAnalyser, type StatementAnalysis, unclassified } from "./analysis.ts";
import { type LaneOptions, type Outcome, ParserLane } from "./parser-lane.ts";
import { templateOf } from "./number-template.ts";
import { redact, renderBytes, withheld } from "./redact.ts";
import { TextCache } from "./text-cache.ts";

/**
 * SQL text in, facts out. Owns the parser threads and the caches.
 *
 * 1. An answer is always given; what cannot be analysed is `unclassified` and says why.
 * 2. Parsing never happens on this thread: no text delays another session's bytes.
 * 3. Long texts have a parser of their own: neither they, nor what they break, delay short ones.
 * 4. No secret leaves: what is not searched for secrets is not shown.
 */

/** A longer statement is bulk data or an attack; parsing it would take more than 0.1 s and 100 MB. */
export const MAX_PARSED_BYTES = 256 << 10;
/** Nearly all statements of people and programs are shorter; longer ones go to the second parser. */
export const SHORT_TEXT_CHARS = 16 << 10;
/** The slowest text under MAX_PARSED_BYTES took 0.2 s alone on a slow core. */
export const PARSE_LIMIT_MS = 2_000;
/** Some 10,000 statements of ordinary length. */
export const MAX_CACHE_BYTES = 32 << 20;

export interface AnalyserOptions {
  readonly timeLimitMs?: number;
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
  readonly #cache: TextCache;
  /** By what texts have in common that differ in numbers only, where the numbers do not matter. */
  readonly #templates: TextCache;
  /** The same text sent by many at once is parsed once. */
  readonly #underWay = new Map<string, Promise<StatementAnalysis>>();

  constructor({ timeLimitMs = PARSE_LIMIT_MS, maxCacheBytes = MAX_CACHE_BYTES, harmlessFunctions = [] }: AnalyserOptions) {
    const lane: LaneOptions = { timeLimitMs, harmlessFunctions };
    this.#short = new ParserLane(lane);
    this.#long = new ParserLane(lane);
    this.#cache = new TextCache(maxCacheBytes / 2);
    this.#templates = new TextCache(maxCacheBytes / 2);
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
    const outcome = await (text.length > SHORT_TEXT_CHARS ? this.#long : this.#short).run(text, "analyse");
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
