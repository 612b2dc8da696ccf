import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { type ErrorCode, SallyportError } from "@sallyport/proto/errors";
import type { PreviewKind } from "../../../domain/approval/approval.events.ts";
import { type CommandFacts, plainFacts } from "../../../domain/facts.ts";
import { recordCommand } from "../command-record.ts";
import { requirePreviewable } from "./previewable.ts";
import { restoreCommand } from "./restore-command.ts";

const bound = { resource: "orders", requester: "ana" };
const sent = (facts: Partial<CommandFacts>, more: Partial<Parameters<typeof recordCommand>[1]> = {}) => ({
  via: "simple" as const,
  sql: Buffer.from("delete from orders where id = $1"),
  parameterTypes: [23],
  parameters: [{ format: "text" as const, value: Buffer.from("7") }],
  facts: { ...plainFacts, verbs: ["DELETE"], riskClass: "destructive" as const, relationsWritten: ["orders"], ...facts },
  recordable: "delete from orders where id = $1",
  redacted: false,
  leavesReadOnly: false,
  ...more,
});
const commandOf = (...args: Parameters<typeof sent>) => recordCommand(3, sent(...args), bound, 0).command;

describe("what can be looked at", () => {
  const refusal = (facts: Partial<CommandFacts>, kind: PreviewKind): ErrorCode | undefined => {
    try {
      requirePreviewable(commandOf(facts), kind);
      return undefined;
    } catch (error) {
      return SallyportError.from(error).code;
    }
  };

  it("is one query or change, with or without a WHERE", () => {
    assert.equal(refusal({}, "plan"), undefined);
    assert.equal(refusal({}, "dry_run"), undefined);
    assert.equal(refusal({ hazards: ["delete_without_where"] }, "dry_run"), undefined);
    assert.equal(refusal({ verbs: ["SELECT"], relationsWritten: [] }, "plan"), undefined);
    for (const verbs of [["DROP TABLE"], ["COMMIT"], ["CALL"], ["EXPLAIN", "DELETE"], []]) assert.equal(refusal({ verbs }, "plan"), "feature.unsupported");
  });

  it("is nothing that a look could set off", () => {
    for (const kind of ["plan", "dry_run"] as const) {
      assert.equal(refusal({ statementCount: 2 }, kind), "preview.unsafe");
      assert.equal(refusal({ functions: ["wipe"] }, kind), "preview.unsafe");
      assert.equal(refusal({ hazards: ["foreign_access"] }, kind), "preview.unsafe");
      assert.equal(refusal({ riskClass: "unclassified" }, kind), "preview.unsafe");
    }
  });

  it("is run for one change of one table only", () => {
    assert.equal(refusal({ verbs: ["SELECT"], relationsWritten: [] }, "dry_run"), "feature.unsupported");
    assert.equal(refusal({ verbs: ["DELETE", "INSERT"] }, "dry_run"), "feature.unsupported");
    assert.equal(refusal({ relationsWritten: ["orders", "lines"] }, "dry_run"), "feature.unsupported");
  });
});

describe("a command restored from its record", () => {
  it("is what was sent, with its parameters as they were", () => {
    const parameters = [
      { format: "text" as const, value: Buffer.from("7") },
      { format: "binary" as const, value: Buffer.from([0xff, 0]) },
      { format: "text" as const, value: undefined },
    ];
    const restored = restoreCommand(commandOf({}, { parameters, parameterTypes: [23, 17, 25] }), bound);
    assert.deepEqual(restored, { statement: "delete from orders where id = $1", parameterTypes: [23, 17, 25], parameters });
  });

  it("is nothing when the record does not hold all of it, or is of another command", () => {
    assert.equal(restoreCommand(commandOf({}, { redacted: true, recordable: "delete from orders where id = '***'" }), bound), undefined);
    assert.equal(restoreCommand(commandOf({}, { sql: Buffer.from("x".repeat(20_000)), recordable: "x".repeat(20_000) }), bound), undefined);
    assert.equal(restoreCommand(commandOf({}, { parameters: [{ format: "text", value: Buffer.alloc(20_000, 0x61) }] }), bound), undefined);
    assert.equal(restoreCommand(commandOf({}, { sql: Buffer.from([0xe4]), recordable: "\ufffd" }), bound), undefined);
    assert.equal(restoreCommand({ ...commandOf({}), statement: "delete from orders where id = 8" }, bound), undefined);
    assert.equal(restoreCommand(commandOf({}), { ...bound, requester: "eve" }), undefined);
  });
});
