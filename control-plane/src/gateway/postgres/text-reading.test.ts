import assert from "node:assert/strict";
import { before, describe, it } from "node:test";
import { fingerprintSync, loadModule, parseSync } from "libpg-query";
import { analyseText } from "./facts/extract.ts";
import { SessionKnowledge } from "./session-knowledge.ts";
import { asRead } from "./text-reading.ts";

before(() => loadModule());

describe("what a session's answers are converted into tells what is made of columns", () => {
  const sql = Buffer.from("select upper(ssn), pay from people where ssn = '1'");
  /** Whether it counts as a search, when the client and then the server have said how they spell letters. */
  const searches = (client: string, server: string): boolean => {
    const knowledge = new SessionKnowledge(client);
    knowledge.parameter("server_encoding", server);
    const { facts } = asRead(sql, analyseText({ parse: parseSync, fingerprint: fingerprintSync }, sql.toString(), new Set()), knowledge.reading);
    assert.deepEqual(facts.columnsFiltered, ["people.ssn"]);
    return facts.columnsMatched.length === 0;
  };

  for (const [client, server, expected] of [
    ["UTF8", "UTF8", false],
    ["utf-8", "UTF8", false],
    ["EUC_JP", "EUC_JP", false],
    ["SQL_ASCII", "EUC_JP", false],
    ["LATIN1", "UTF8", true],
    ["UTF8", "EUC_JP", true],
    ["UTF8", "SQL_ASCII", true],
  ] as const)
    it(`of ${client} at a server of ${server}: ${expected ? "where" : "nowhere"} a letter may be missing`, () =>
      assert.equal(searches(client, server), expected));
});
