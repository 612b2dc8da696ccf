import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { plainFacts } from "../domain/facts.ts";
import { ofReading } from "./preview-masks.ts";

describe("what a preview asks policy about", () => {
  it("is a read of every table that the command touches, and nothing of what else it does", () => {
    const update = {
      ...plainFacts,
      verbs: ["UPDATE"],
      riskClass: "destructive",
      hazards: ["update_without_where"],
      relationsRead: ["hr.vault", "orders"],
    } as const;
    assert.deepEqual(ofReading({ ...update, relationsWritten: ["orders"], columnsWritten: ["orders.note"], columnsCopied: ["vault.code"] }), {
      ...plainFacts,
      verbs: ["SELECT"],
      relationsRead: ["hr.vault", "orders"],
      columnsRead: ["vault.*", "orders.*"],
    });
  });
});
