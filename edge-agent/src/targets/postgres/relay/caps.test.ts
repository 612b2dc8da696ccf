import assert from "node:assert/strict";
import { describe, it } from "node:test";
import fc from "fast-check";
import * as wire from "./messages.fixture.ts";
import { cut, oblige, sizes, start } from "./relay.fixture.ts";

describe("a row cap", () => {
  it("withholds what is over it, says so, and corrects the tag", () => {
    const session = start(oblige({ rowCap: 2n }));
    session.client(wire.query("select"));
    session.target(wire.rowDescription({ name: "a" }), ...["1", "2", "3", "4"].map((cell) => wire.dataRow(cell)), wire.complete("SELECT 4"), wire.ready);
    assert.equal(wire.types(session.received()), "TDDNCZ");
    assert.ok(session.received().includes(wire.complete("SELECT 2")));
    assert.ok(session.received().includes("2 rows were withheld"));
    assert.deepEqual([session.reports()[0]?.rows, session.reports()[0]?.withheldRows], [2n, 2n]);
  });

  it("leaves the count of changed rows and results under the cap alone", () => {
    const session = start(oblige({ rowCap: 2n }));
    const update = Buffer.concat([wire.rowDescription({ name: "a" }), wire.dataRow("1"), wire.complete("UPDATE 1"), wire.ready]);
    session.client(wire.query("update"));
    session.relay.fromTarget(Buffer.from(update));
    assert.deepEqual(session.received(), update);
    session.client(wire.query("update"));
    session.target(wire.rowDescription({ name: "a" }), wire.dataRow("1"), wire.dataRow("2"), wire.dataRow("3"), wire.complete("UPDATE 3"));
    assert.ok(session.received().includes(wire.complete("UPDATE 3")));
  });
});

describe("a cap of bytes", () => {
  const row = (cell: string): Buffer => wire.dataRow(cell);
  const size = row("1234").length;

  it("passes whole rows as long as they fit, and none behind the first that does not", () => {
    const session = start(oblige({ byteCap: BigInt(2 * size) }));
    session.client(wire.query("select"));
    session.target(wire.rowDescription({ name: "a" }), row("1234"), row("12345"), row("1"), wire.complete("SELECT 3"), wire.ready);
    assert.deepEqual(wire.texts(session.received()), [["1234"]]);
    assert.ok(session.received().includes(wire.complete("SELECT 1")));
    assert.ok(session.received().includes(`2 rows were withheld: policy allows at most ${2 * size} bytes of rows per command.`));
    const [report] = session.reports();
    assert.deepEqual([report?.rows, report?.withheldRows, report?.bytes, report?.limit], [1n, 2n, BigInt(size), "bytes"]);
  });

  it("counts each command anew, whatever the chunking, and says nothing when all fits", () => {
    fc.assert(
      fc.property(sizes, (by) => {
        const stream = Buffer.concat([wire.rowDescription({ name: "a" }), row("1234"), row("1234"), wire.complete("SELECT 2"), wire.ready]);
        const session = start(oblige({ byteCap: BigInt(2 * size) }));
        for (let round = 0; round < 2; round++) {
          session.client(wire.query("select"));
          for (const chunk of cut(stream, by)) session.relay.fromTarget(chunk);
        }
        assert.deepEqual(session.received(), Buffer.concat([stream, stream]));
        assert.deepEqual(
          session.reports().map(({ limit }) => limit),
          [undefined, undefined],
        );
      }),
    );
  });

  it("names the cap that cut, when there are two", () => {
    const session = start(oblige({ byteCap: 1_000n, rowCap: 1n }));
    session.client(wire.query("select"));
    session.target(wire.rowDescription({ name: "a" }), row("1"), row("2"), wire.complete("SELECT 2"), wire.ready);
    assert.ok(session.received().includes("1 row was withheld: policy allows at most 1 row per command."));
    assert.equal(session.reports()[0]?.limit, "rows");
  });
});
