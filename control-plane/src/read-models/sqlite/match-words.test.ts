import assert from "node:assert/strict";
import { DatabaseSync } from "node:sqlite";
import { describe, it } from "node:test";
import fc from "fast-check";
import { matchWords } from "./match-words.ts";

const db = new DatabaseSync(":memory:");
db.exec("CREATE VIRTUAL TABLE texts USING fts5 (text, tokenize = 'unicode61')");
const insert = db.prepare("INSERT INTO texts (rowid, text) VALUES (?, ?)");
const texts = [
  "DELETE FROM customer_orders WHERE id = 7",
  "select email from customers",
  "select * from orders join customers using (id)",
  "insert into größe values ('Zoë')",
];
for (const [index, text] of texts.entries()) insert.run(index, text);
const find = db.prepare("SELECT rowid FROM texts WHERE texts MATCH ? ORDER BY rowid");
const found = (words: string): number[] => {
  const match = matchWords(words);
  return match === undefined ? [] : find.all(match).map(({ rowid }) => Number(rowid));
};

describe("words that a person looks for", () => {
  it("must all be there, in any order and any case", () => {
    assert.deepEqual(found("customers select"), [1, 2]);
    assert.deepEqual(found("JOIN orders"), [2]);
    assert.deepEqual(found("customers nothing"), []);
  });

  it("stand as they are in quotes, and begin a word with a star", () => {
    assert.deepEqual(found('"from customers"'), [1]);
    assert.deepEqual(found("cust*"), [0, 1, 2]);
    assert.deepEqual(found('"from cust"*'), [0, 1]);
  });

  it("may hold the signs of SQL, and letters of any alphabet", () => {
    assert.deepEqual(found("customer_orders"), [0]);
    assert.deepEqual(found("id = 7;"), [0]);
    assert.deepEqual(found("zoe"), [3]);
    assert.deepEqual(found("GRÖßE"), [3]);
  });

  it("are never read as operators of the search engine", () => {
    assert.deepEqual(found("email OR delete"), []);
    assert.deepEqual(found("text:email"), []);
    assert.deepEqual(found("select NOT email"), []);
    assert.deepEqual(found("- * ^ ( ) '"), []);
    assert.deepEqual(found(""), []);
  });

  it("are never malformed, whatever is typed", () => {
    const typed = fc.oneof(fc.string({ unit: "binary" }), fc.string(), fc.stringMatching(/^["*()^:{}+\-, a-zNEAROT\0]*$/));
    fc.assert(
      fc.property(typed, (words) => {
        found(words);
      }),
      { numRuns: 2_000 },
    );
  });
});
