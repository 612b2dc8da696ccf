import assert from "node:assert/strict";
import { before, describe, it } from "node:test";
import { noObligations } from "../../control-plane/src/domain/decision.ts";
import { MAX_DESCRIBED_COPY_BYTES } from "../../control-plane/src/gateway/postgres/unit-handler.ts";
import { query } from "../support/frontend-messages.ts";
import { suiteCleanup } from "../support/suite-cleanup.ts";
import { ask, GatewayBed, type Ground, HANG_MS, prepareGround, startRealTarget } from "./gateway-session-harness.ts";
import type { OpenTarget } from "./gateway-session-target.ts";

describe("COPY of a query under masks", { timeout: 3 * HANG_MS }, () => {
  const cleanup = suiteCleanup();
  let ground: Ground;
  let target: OpenTarget;
  before(async () => {
    ground = await prepareGround(cleanup);
    ({ open: target } = await startRealTarget(cleanup));
  });

  it("loses every cell where it is too long to be described, and the session goes on", { timeout: HANG_MS }, async (t) => {
    const obligations = { ...noObligations, maskColumns: [{ table: "customers", column: "email", kind: "full" as const }] };
    const bed = await GatewayBed.start(t, ground, { target, rule: () => ({ obligations }) });
    const { client } = await bed.open();
    const copied = (): string[] => client.messages.filter(({ type }) => type === "d").map(({ bytes }) => bytes.toString("utf8", 5));
    const long = "x".repeat(2 * MAX_DESCRIBED_COPY_BYTES);
    assert.equal(await ask(client, query(`copy (select 'shown' where '${long}' <> '') to stdout`)), "H d c C:COPY 1 Z:I");
    assert.equal(await ask(client, query(`copy (select 'shown') to stdout (null '${long}')`)), "H d c C:COPY 1 Z:I");
    assert.equal(await ask(client, query("copy (select 'shown') to stdout")), "H d c C:COPY 1 Z:I");
    assert.deepEqual(copied(), ["****\n", "****\n", "shown\n"]);
  });
});
