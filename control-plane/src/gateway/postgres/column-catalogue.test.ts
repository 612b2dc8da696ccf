import assert from "node:assert/strict";
import { beforeEach, describe, it } from "node:test";
import { type CommandFacts, plainFacts } from "../../domain/facts.ts";
import { type AskOrigins, ColumnCatalogue, MAX_KNOWN_COLUMNS, ORIGINS_FRESH_MS, ORIGINS_REFRESH_MS, type TracedOrigins } from "./column-catalogue.ts";

const looksAt = (...columnsFiltered: readonly string[]): CommandFacts => ({ ...plainFacts, columnsFiltered });
const shows = (...names: readonly string[]): TracedOrigins => ({ shows: names, madeOf: [] });

describe("what a resource's columns are made of", () => {
  let time = 0;
  let questions: (readonly string[])[] = [];
  let database: Record<string, TracedOrigins> = {};
  let catalogue = new ColumnCatalogue();
  const ask: AskOrigins = (columns) => {
    questions.push(columns);
    return Promise.resolve(columns.map((name) => database[name] ?? shows(name)));
  };
  beforeEach(() => {
    time = 0;
    questions = [];
    database = { "v.handle": shows("customers.secret") };
    catalogue = new ColumnCatalogue(() => time);
  });
  const filtered = async (facts: CommandFacts, asking = ask): Promise<readonly string[]> => (await catalogue.trace(facts, asking)).columnsFiltered;

  it("is asked once, and then known without a promise, for other texts too", async () => {
    const facts = looksAt("v.handle", "v.id");
    const traced = await catalogue.trace(facts, ask);
    assert.deepEqual(traced.columnsFiltered, ["customers.secret", "v.handle", "v.id"]);
    assert.equal(catalogue.trace(facts, ask), traced);
    assert.deepEqual(catalogue.trace(looksAt("v.handle"), ask), looksAt("customers.secret", "v.handle"));
    assert.deepEqual(questions, [["v.handle", "v.id"]]);
  });

  it("leaves facts alone that look at nothing, or at a table's own columns", async () => {
    assert.equal(catalogue.trace(plainFacts, ask), plainFacts);
    const facts = looksAt("t.a");
    assert.equal(await catalogue.trace(facts, ask), facts);
  });

  it("is asked anew in the background from half its age on, and nobody waits", async () => {
    const facts = looksAt("v.handle");
    await catalogue.trace(facts, ask);
    time = ORIGINS_REFRESH_MS + 1;
    database = { "v.handle": shows("customers.name") };
    assert.ok(!(catalogue.trace(facts, ask) instanceof Promise));
    assert.ok(!(catalogue.trace(facts, ask) instanceof Promise));
    assert.equal(questions.length, 2);
    await Promise.resolve();
    await Promise.resolve();
    await Promise.resolve();
    await catalogue.trace(facts, ask);
    time = ORIGINS_FRESH_MS + 1;
    const traced = catalogue.trace(facts, ask);
    assert.ok(!(traced instanceof Promise));
    assert.deepEqual(traced.columnsFiltered, ["customers.name", "v.handle"]);
  });

  it("is not believed once it is old", async () => {
    const facts = looksAt("v.handle");
    await catalogue.trace(facts, ask);
    time = ORIGINS_FRESH_MS + 1;
    assert.ok(catalogue.trace(facts, ask) instanceof Promise);
    assert.equal(questions.length, 2);
  });

  it("may be anything where nobody could tell, and is asked again", async () => {
    const facts = looksAt("v.handle");
    assert.deepEqual(await filtered(facts, () => Promise.resolve(undefined)), ["*.*", "v.handle"]);
    assert.deepEqual(await filtered(facts), ["customers.secret", "v.handle"]);
  });

  it("is asked again when a command changes definitions, and when its transaction ends", async () => {
    const facts = looksAt("v.handle");
    const session = {};
    await catalogue.trace(facts, ask);
    catalogue.changes(session);
    await catalogue.trace(facts, ask);
    catalogue.settled(session);
    await catalogue.trace(facts, ask);
    catalogue.settled(session);
    await catalogue.trace(facts, ask);
    assert.equal(questions.length, 3);
  });

  it("does not keep an answer from before a change, and may be anything when changes do not end", async () => {
    const facts = looksAt("v.handle");
    let changes = 1;
    const meanwhile: AskOrigins = async (columns) => {
      const answer = await ask(columns);
      if (changes-- > 0) catalogue.changes({});
      return answer;
    };
    assert.deepEqual(await filtered(facts, meanwhile), ["customers.secret", "v.handle"]);
    assert.equal(questions.length, 2);
    changes = Infinity;
    assert.deepEqual(await filtered(looksAt("v.other"), meanwhile), ["*.*", "v.other"]);
  });

  it("is nothing for a relation that is not there, unless somebody may be making it", async () => {
    database = { "typo.id": "absent" };
    const facts = looksAt("typo.id");
    assert.equal(await catalogue.trace(facts, ask), facts);
    assert.equal(await catalogue.trace(facts, ask), facts);
    assert.equal(questions.length, 2);
    catalogue.changes({});
    assert.deepEqual(await filtered(facts), ["*.*", "typo.id"]);
  });

  it("forgets all beyond its bound, and never what it was just asked for", async () => {
    const many = Array.from({ length: 400 }, (_, index) => index);
    for (let round = 0; round * many.length <= MAX_KNOWN_COLUMNS; round++) await catalogue.trace(looksAt(...many.map((index) => `t${round}.c${index}`)), ask);
    const before = questions.length;
    assert.deepEqual(await filtered(looksAt("v.handle", "t0.c0")), ["customers.secret", "t0.c0", "v.handle"]);
    assert.deepEqual(questions.slice(before), [["v.handle", "t0.c0"]]);
  });
});
