import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { noObligations } from "../../control-plane/src/domain/decision.ts";
import { MAX_DESCRIBED_COPY_BYTES } from "../../control-plane/src/gateway/postgres/unit-handler.ts";
import { bind, execute, flush, parse, query } from "../support/frontend-messages.ts";
import { ask, HANG_MS, type Rule } from "./gateway-session-harness.ts";
import { sessionSuite } from "./gateway-session-suite.ts";

const obligations = { ...noObligations, maskColumns: [{ table: "customers", column: "email", kind: "full" as const }] };

describe("COPY of a query under masks", { timeout: 5 * HANG_MS }, () => {
  const suite = sessionSuite();

  it("loses every cell where it is too long to be described, and the session goes on", { timeout: HANG_MS }, async (t) => {
    const bed = await suite.start(t, { rule: () => ({ obligations }) });
    const { client } = await bed.open();
    const copied = (): string[] => client.messages.filter(({ type }) => type === "d").map(({ bytes }) => bytes.toString("utf8", 5));
    const long = "x".repeat(2 * MAX_DESCRIBED_COPY_BYTES);
    assert.equal(await ask(client, query(`copy (select 'shown' where '${long}' <> '') to stdout`)), "H d c C:COPY 1 Z:I");
    assert.equal(await ask(client, query(`copy (select 'shown') to stdout (null '${long}')`)), "H d c C:COPY 1 Z:I");
    assert.equal(await ask(client, query("copy (select 'shown') to stdout")), "H d c C:COPY 1 Z:I");
    assert.deepEqual(copied(), ["****\n", "****\n", "shown\n"]);
  });

  for (const [how, rule] of [
    ["without masks", () => "allow"],
    ["under masks", () => ({ obligations })],
  ] as const satisfies readonly (readonly [string, Rule])[])
    it(`commits nothing of the group that it stands in ${how}: what came before a Flush is undone when it fails`, { timeout: HANG_MS }, async (t) => {
      const bed = await suite.start(t, { rule });
      const { client } = await bed.open();
      await ask(client, query("create temp table g (a int)"));
      client.write(Buffer.concat([parse("insert into g values (1)"), bind(), execute(), flush]));
      await client.more("C");
      assert.equal(await ask(client, query("copy (select 1 / (a - a) from g) to stdout")), "H E:22012 Z:I");
      assert.equal(await ask(client, query("delete from g")), "C:DELETE 0 Z:I");
    });
});
