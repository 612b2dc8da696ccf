import assert from "node:assert/strict";
import { describe, it } from "node:test";
import type { BoundParameter } from "@sallyport/proto/wire/postgres/extended";
import { MAX_SUSPECT_WORDS, mayHoldLongSecret, newSearchBudget } from "./facts/long-secret.ts";
import { MAX_SEARCHED_PARAMETER_BYTES, recordParameters, type RecordedParameters } from "./recorded-parameters.ts";

const parameter = (value: string | Buffer, format: "text" | "binary" = "text"): BoundParameter => ({ format, value: Buffer.from(value) });
const URI = "postgres://ana:hunter2-hunter2@db/app";
const statement = "alter role ana password 'hunter2-hunter2'";
const filler = "x ".repeat(MAX_SEARCHED_PARAMETER_BYTES / 2);

const all = ({ parameters, apart }: RecordedParameters): string =>
  [
    ...parameters.map(({ value, encoding }) => Buffer.from(value ?? "", encoding ?? "utf8").toString("latin1")),
    ...apart.map(({ bytes }) => bytes.toString("latin1")),
  ].join("\n");

describe("bound parameters as they are recorded", () => {
  it("lose credentials in text and in binary, and keep what stands around them", () => {
    for (const format of ["text", "binary"] as const) {
      const { parameters, withheld } = recordParameters([parameter(`see ${URI}`, format), parameter(statement, format)], [], true);
      assert.ok(withheld);
      assert.deepEqual(
        parameters.map(({ value, encoding, bytes }) => [value, encoding, bytes]),
        [
          ["see postgres://ana:<redacted: 15 bytes>@db/app", "utf8", 41],
          ["alter role ana password '<redacted: 15 bytes>'", "utf8", 41],
        ],
      );
    }
  });

  it("go whole where credentials stand in what is no text", () => {
    // An array of text in binary, and a text of another encoding.
    for (const bytes of [Buffer.concat([Buffer.from([0, 0, 0, 1, 0, 0, 0, 0xff, 0, 0, 0, 37]), Buffer.from(URI)]), Buffer.from(`Café ${URI}`, "latin1")]) {
      const { parameters, withheld } = recordParameters([parameter(bytes, "binary")], [1009], true);
      assert.deepEqual([parameters[0]?.value, parameters[0]?.encoding, withheld], [`<redacted: ${bytes.length} bytes>`, "utf8", true]);
    }
  });

  it("lose them too where they are too long to stand in an event", () => {
    const recorded = recordParameters(
      [parameter(statement), parameter(filler), parameter(`${filler} ${URI}`), parameter(URI), { format: "text", value: undefined }],
      [],
      false,
    );
    assert.doesNotMatch(all(recorded), /hunter2/);
    assert.ok(recorded.withheld);
    assert.deepEqual(
      recorded.apart.map(({ part, bytes }) => [part, bytes.toString().slice(0, 60).trim()]),
      [
        [0, "alter role ana password '<redacted: 15 bytes>'"],
        [1, filler.slice(0, 60).trim()],
        [2, `<redacted: ${filler.length + 1 + URI.length} bytes>`],
        [3, `<redacted: ${URI.length} bytes>`],
      ],
    );
    assert.ok(recorded.parameters.every(({ value, encoding }) => value === null || (value === undefined && encoding === undefined)));
  });

  it("are as they came where there is nothing to hide", () => {
    const bytes = Buffer.from([0, 1, 2, 0xff]);
    const { parameters, withheld } = recordParameters([parameter("O'Brien"), parameter(bytes, "binary"), parameter("tékst", "binary")], [25, 17], true);
    assert.deepEqual(parameters, [
      { typeOid: 25, format: "text", value: "O'Brien", encoding: "utf8", bytes: 7 },
      { typeOid: 17, format: "binary", value: "000102ff", encoding: "hex", bytes: 4 },
      { typeOid: 0, format: "binary", value: Buffer.from("tékst").toString("hex"), encoding: "hex", bytes: 6 },
    ]);
    assert.ok(!withheld);
  });

  it("are suspect when they are long by what credentials look like, and not by the word", () => {
    for (const suspect of [
      "password=x",
      "PASSWORD 'x'",
      "set my.secret = 1",
      "set my_password to 'x'",
      "x crypt('a'",
      "pgp_sym_encrypt(x",
      `a ${URI} b`,
      "identified  by x",
    ]) {
      assert.ok(mayHoldLongSecret(suspect, newSearchBudget()), suspect);
    }
    for (const harmless of ['{"password":"x","secret":[]}', "see https://example.org/a:b, or mail ana@example.org", "encryption (at rest)"]) {
      assert.ok(!mayHoldLongSecret(harmless, newSearchBudget()), harmless);
    }
  });
  it("are suspect when, all told, they have more words to look at than are looked at, whatever those are", () => {
    for (const word of ["secret ", "x://y "]) {
      const half = parameter(word.repeat(MAX_SUSPECT_WORDS / 2));
      const { apart } = recordParameters([parameter(filler), half, half, parameter(word), parameter("plain")], [], false);
      const replaced = apart.map(({ bytes }) => bytes.includes("<redacted: "));
      assert.deepEqual(replaced, [false, false, false, true, false]);
    }
  });
});
