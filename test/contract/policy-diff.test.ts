import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { fails, setStage } from "@sallyport/control-plane/src/application/testing/stage.ts";
import { createCedarCompiler } from "@sallyport/control-plane/src/policy/compiler.ts";

const files = (text: string) => [{ name: "a.cedar", text }];
const forbidding = (column: string) =>
  files(`@id("no-email") forbid (principal, action == Action::"run", resource) when { context.columnsRead.contains("${column}") };`);

describe("what changes from one policy to another", () => {
  it("is told also from one that would be refused today, whose mistake the other mends, and not to one", async (t) => {
    const { app } = await setStage(t, { policies: createCedarCompiler() });
    const [misnamed, mended] = [forbidding("public.customers.email"), forbidding("customers.email")];
    const changes = await app.policies.diff(mended, { files: misnamed });
    assert.deepEqual(
      changes.map(({ rule, kind, parts }) => [rule, kind, parts.map(({ part }) => part)]),
      [["no-email", "changed", ["conditions"]]],
    );
    await assert.rejects(app.policies.diff(misnamed, { files: mended }), fails("policy.invalid"));
    await assert.rejects(app.policies.diff(mended, { files: files("permit (oops") }), fails("policy.invalid"));
  });
});
