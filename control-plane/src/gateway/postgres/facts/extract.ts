import type { CopyStmt, ParseResult } from "@pgsql/types";
import { unclassified, type StatementAnalysis } from "./analysis.ts";
import { copyOut } from "./copy-out.ts";
import { Expressions } from "./expressions.ts";
import { FactsBuilder, MAX_NAMES } from "./facts-builder.ts";
import { traitsOf } from "./functions.ts";
import { columnFacts, columnsMade } from "./lineage/column-facts.ts";
import { trace } from "./lineage/outputs.ts";
import type { TraitsOf } from "./lineage/tracer.ts";
import { namedUse } from "./named-use.ts";
import { templateOf, watchNumbers, withOtherNumbers } from "./number-template.ts";
import { redact } from "./redact.ts";
import { rowLimitOf } from "./row-limit.ts";
import { type Descent, walk } from "./tree.ts";
import { statements } from "./statements.ts";
import { runsUnseenCode } from "./unseen-code.ts";

/** The part of libpg-query that is used; both throw an error named `SqlError` on text that is not SQL. */
export interface Parser {
  parse(text: string): ParseResult;
  fingerprint(text: string): string;
}

type AnyHandler = (facts: FactsBuilder, node: object) => Descent | undefined;
const handlers: ReadonlyMap<string, AnyHandler> = new Map(Object.entries(statements) as [string, AnyHandler][]);

/** Kinds named `…Stmt` that are parts of statements. */
const partsOfStatements = new Set(["RawStmt", "ReplicaIdentityStmt"]);

export interface Extracted extends StatementAnalysis {
  /** All but `recordable` is the same for every text of the same template. */
  readonly holdsForTemplate: boolean;
}

/** Their grammar looks at no number that stands behind an operator. */
const templated = new Set(["SelectStmt", "InsertStmt", "UpdateStmt", "DeleteStmt"]);

/** Throws only what means that the parser itself is broken. */
export function analyseText(parser: Parser, text: string, alsoHarmless: ReadonlySet<string>): Extracted {
  const parsed = text.trim() === "" ? { stmts: [] } : parseOrError(parser, text);
  const fails = parsed instanceof Error;
  const { recordable, redacted, hidden } = redact(text, !fails);
  if (fails) return { ...unclassified(whyNotSql(parsed), recordable, redacted), holdsForTemplate: false };

  const mayBeTemplate = !redacted && templated.has(soleKind(parsed)) && templateOf(text) !== undefined;
  const numbers = mayBeTemplate ? watchNumbers(parsed, text) : undefined;
  const facts = new FactsBuilder();
  const expressions = new Expressions(facts, alsoHarmless);
  walk(parsed.stmts ?? [], (tag, node, context) => {
    facts.planned = context.planned;
    if (tag === "SelectStmt") expressions.enter(node);
    const statement = handlers.get(tag);
    if (statement !== undefined) return statement(facts, node);
    if (tag.endsWith("Stmt") && !partsOfStatements.has(tag)) facts.unclassified(`${tag} is a kind of statement that is not known`);
    return expressions.visit(tag, node, context);
  });
  facts.planned = false;
  expressions.finish();

  const all = (parsed.stmts ?? []).map(({ stmt }) => stmt);
  const traits: TraitsOf = (name, kind) => traitsOf(name, kind, alsoHarmless);
  const { outputs, tracers } = trace(all, traits);
  facts.columns = columnFacts(tracers);
  facts.rowLimit = rowLimitOf(all);
  const made = columnsMade(tracers);

  const count = all.length;
  const fingerprint = count === 0 ? "" : parser.fingerprint(text);
  const named = count === 1 ? namedUse(all[0], traits, () => facts.build(count, fingerprint)) : undefined;
  if (facts.executes.size > 0) facts.unclassified("executes a statement that was prepared in another text", "dynamic_code");
  const built = facts.build(count, fingerprint);
  return {
    facts: built,
    recordable,
    redacted,
    hidesCode: hidden === "code" || (hidden === "operand" && runsUnseenCode(built)),
    copyOut: copyOut(text, soleCopy(parsed)),
    outputs,
    preparedNames: facts.preparedNames(),
    named,
    transactionVerbs: facts.transactionVerbs,
    searchPath: facts.searchPath === undefined ? undefined : [...facts.searchPath].slice(0, MAX_NAMES),
    makesTemporary: facts.makesTemporary,
    fields: facts.fields.size > MAX_NAMES ? ["*"] : [...facts.fields],
    leavesReadOnly: facts.leavesReadOnly,
    ...(made.length === 0 ? {} : { columnsMade: made }),
    ...(Object.keys(facts.stated).length === 0 ? {} : { stated: facts.stated }),
    holdsForTemplate: numbers?.looked === false && parser.fingerprint(withOtherNumbers(text)) === fingerprint,
  };
}

function parseOrError(parser: Parser, text: string): ParseResult | Error {
  try {
    return parser.parse(text);
  } catch (error) {
    if (error instanceof Error && error.name === "SqlError") return error;
    throw error;
  }
}

/** Longer than any message of the grammar. */
const MAX_PARSER_MESSAGE = 200;

/** Whoever waits, or decides, is to see a slip of the hand for what it is. The message without what it quotes: that may be all of the text, secrets included. */
function whyNotSql(error: Error & { readonly sqlDetails?: { readonly cursorPosition?: number } }): string {
  const place = error.sqlDetails?.cursorPosition;
  const where = place === undefined || place < 0 ? "" : ` at character ${place + 1}`;
  const message = error.message.replace(/ at or near "[\s\S]*$/, "").replaceAll(/"[^"]*(?:"|$)/g, "…");
  return `is not SQL that PostgreSQL 18 parses: ${message.slice(0, MAX_PARSER_MESSAGE)}${where}`;
}

function soleKind({ stmts = [] }: ParseResult): string {
  return stmts.length === 1 ? (Object.keys(stmts[0]?.stmt ?? {})[0] ?? "") : "";
}

function soleCopy({ stmts = [] }: ParseResult): CopyStmt | undefined {
  const only = stmts.length === 1 ? stmts[0]?.stmt : undefined;
  return only !== undefined && "CopyStmt" in only ? only.CopyStmt : undefined;
}
