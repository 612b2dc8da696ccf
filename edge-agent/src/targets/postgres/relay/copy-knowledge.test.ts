import assert from "node:assert/strict";
import { randomBytes } from "node:crypto";
import { describe, it } from "node:test";
import { TEXT_LAYOUT } from "./copy-layout.ts";
import { catalogueOf, knowsAll, OF_NOTHING, ofColumn } from "./lineage.fixture.ts";
import * as wire from "./messages.fixture.ts";
import { PostgresRelay } from "./relay.ts";

/** A session that masks `people.ssn`, and has described a COPY of a harmless column. */
function describedHarmless(): { readonly relay: PostgresRelay; readonly copied: () => string } {
  const received: Buffer[] = [];
  const relay = new PostgresRelay({
    obligations: { maskColumns: [{ column: "ssn", table: "people", kind: "full" }], detectors: [], rowCap: 0n },
    catalogue: catalogueOf({}),
    ...knowsAll,
    maskKeys: { hash: randomBytes(32), token: randomBytes(32) },
    executes: () => {},
    toTarget: () => {},
    toClient: (bytes) => void received.push(Buffer.from(bytes)),
    report: () => {},
  });
  relay.expectResults(OF_NOTHING);
  relay.expectCopyColumns([{ label: "a", typeOid: wire.TEXT, lineage: ofColumn("t", "a") }], TEXT_LAYOUT);
  const copied = (): string =>
    wire
      .messages(Buffer.concat(received))
      .filter(({ type }) => type === "d")
      .map(({ payload }) => payload.toString())
      .join("");
  return { relay, copied };
}

const secret = [wire.copyOut(1), wire.copyData("123-45-6789\n"), wire.copyDone, wire.complete("COPY 1")];
const failure = wire.errorResponse({ S: "ERROR", C: "42703", M: 'column "nope" does not exist' });

describe("what is known of a COPY", () => {
  it("is used for that COPY", () => {
    const { relay, copied } = describedHarmless();
    relay.fromClient(wire.query("COPY t(a) TO STDOUT"));
    relay.fromTarget(Buffer.concat([...secret, wire.ready]));
    assert.equal(copied(), "123-45-6789\n");
  });

  it("is gone when that COPY fails before it begins, so that the next one is masked whole", () => {
    for (const next of ["extended", "simple"]) {
      const { relay, copied } = describedHarmless();
      relay.fromClient(wire.query("COPY t(a) TO STDOUT (FORMAT csv, FORCE_QUOTE (nope))"));
      relay.fromTarget(Buffer.concat([failure, wire.ready]));
      const sql = "COPY people(ssn) TO STDOUT";
      if (next === "extended") {
        relay.fromClient(Buffer.concat([wire.parse("", sql), wire.bind(), wire.execute(), wire.sync]));
        relay.fromTarget(Buffer.concat([wire.parseComplete, wire.bindComplete, wire.noData, ...secret, wire.ready]));
      } else {
        relay.fromClient(wire.query(sql));
        relay.fromTarget(Buffer.concat([...secret, wire.ready]));
      }
      assert.match(copied(), /^\*{4}\n$/, next);
    }
  });

  it("is gone when that COPY fails half-way, and after it", () => {
    for (const end of [[...secret.slice(0, 2), failure], secret]) {
      const { relay, copied } = describedHarmless();
      relay.fromClient(wire.query("COPY t(a) TO STDOUT"));
      relay.fromTarget(Buffer.concat([...end, wire.ready]));
      relay.fromClient(wire.query("COPY people(ssn) TO STDOUT"));
      relay.fromTarget(Buffer.concat([...secret, wire.ready]));
      assert.match(copied(), /^123-45-6789\n\*{4}\n$/);
    }
  });
});
