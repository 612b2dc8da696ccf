import assert from "node:assert/strict";
import { describe, it, type TestContext } from "node:test";
import { SallyportError } from "@sallyport/proto/errors";
import { approvalStream } from "../domain/approval/approval.events.ts";
import { noObligations, type Obligations } from "../domain/decision.ts";
import type { PolicyCompiler } from "./policy-ports.ts";
import type { PreviewRequest, PreviewResult } from "./preview-ports.ts";
import { approvalRequest, human, machine, orders, requested } from "./testing/samples.ts";
import { admin, compiler, fails, setStage, typesIn } from "./testing/stage.ts";

const sight: PreviewResult = { plan: "Delete on orders", dryRun: { rows: 3, columns: ["id"], before: [["1"], [null]], after: [], notes: [] } };
const masked = (column: string): Obligations => ({ ...noObligations, maskColumns: [{ table: "orders", column, kind: "full" }] });

/** Policy masks for each person a column that is called like them. */
const masking: PolicyCompiler = {
  ...compiler,
  compile(version, files) {
    const engine = compiler.compile(version, files);
    return {
      ...engine,
      decide: (request) => {
        const decision = engine.decide(request);
        const reads = request.action === "run" && request.facts?.verbs.join() === "SELECT";
        if (!reads) return { ...decision, obligations: masked(request.principal.id) };
        return { ...decision, effect: request.principal.groups.includes("readers") ? "allow" : "needs_approval", obligations: masked("read") };
      },
    };
  },
};

async function setUp(t: TestContext, look: (request: PreviewRequest) => Promise<PreviewResult> = () => Promise.resolve(sight), groups = ["readers"]) {
  const stage = await setStage(t, { policies: masking });
  const { app, ledger } = stage;
  const version = await app.policies.publish([{ name: "a", text: "approvers: bo cy ci" }], "first", admin);
  await app.resources.offer("a1", [orders]);
  await app.identities.put({ ...human("ana"), groups }, admin);
  await app.openRecord("s1").append([requested("s1")], admin, { patience: "fail" });
  const { command, ...rest } = approvalRequest("s1", version, 1);
  await app.approvals.request("ap1", { ...rest, command: { ...command, facts: { ...command.facts, verbs: ["DELETE"], relationsWritten: ["orders"] } } }, admin);
  const asked: PreviewRequest[] = [];
  const previews = app.previews({
    require: () => undefined,
    look: (request) => {
      asked.push(request);
      return look(request);
    },
  });
  const types = (): Promise<string[]> => typesIn(ledger, approvalStream("ap1"));
  return { ...stage, asked, types, preview: (by = human("bo")) => previews.preview("ap1", by, "dry_run", undefined, admin) };
}

describe("a preview", () => {
  it("is in the record before the target is asked, and its outcome before it is shown", async (t) => {
    let before: string[] = [];
    const { preview, types, app } = await setUp(t, async () => {
      before = await types();
      return sight;
    });
    const seen = await preview();
    assert.deepEqual(before, ["ApprovalRequested", "ApprovalPreviewRequested"]);
    assert.deepEqual(await types(), ["ApprovalRequested", "ApprovalPreviewRequested", "ApprovalPreviewed"]);
    assert.deepEqual([seen.plan, seen.dryRun], [sight.plan, sight.dryRun]);
    assert.deepEqual(
      app.approvals.find("ap1")?.previews.map(({ id, by, state, rows }) => [id, by, state, rows]),
      [[seen.previewId, "bo", "shown", 3]],
    );
    assert.equal(app.approvals.find("ap1")?.state, "pending");
  });

  it("asks nothing of the target, and shows nothing, that cannot be recorded", async (t) => {
    const stage = await setUp(t, () => {
      stage.ledger.line = "refuse";
      return Promise.resolve(sight);
    });
    await assert.rejects(stage.preview(), fails("ledger.unavailable"));
    assert.equal(stage.asked.length, 1);
    await assert.rejects(stage.preview(), fails("ledger.unavailable"));
    assert.equal(stage.asked.length, 1);
    stage.ledger.line = "good";
    assert.deepEqual(await stage.types(), ["ApprovalRequested", "ApprovalPreviewRequested"]);
  });

  it("is masked as strictly as for the requester and for whoever looks, with every detector on", async (t) => {
    const { preview, asked } = await setUp(t);
    await preview();
    const [request] = asked;
    assert.deepEqual(
      request?.obligations.maskColumns.map(({ column }) => column),
      ["ana", "bo", "read"],
    );
    assert.deepEqual(request.obligations.detectors, ["card", "email", "iban", "phone", "ssn"]);
  });

  it("shows no value that the requester may not read without an approval", async (t) => {
    const { preview, asked } = await setUp(t, undefined, []);
    await preview();
    assert.equal(
      asked[0]?.obligations.maskColumns.some(({ table, column, kind }) => table === "" && column === "*" && kind === "full"),
      true,
    );
  });

  it("that fails is an event as well, with the reason, and can be asked for again", async (t) => {
    const { preview, types, app } = await setUp(t, () => Promise.reject(new SallyportError("preview.unsafe", "The trigger audits would fire.")));
    await assert.rejects(preview(), fails("preview.unsafe"));
    await assert.rejects(preview(), fails("preview.unsafe"));
    assert.deepEqual((await types()).slice(1, 3), ["ApprovalPreviewRequested", "ApprovalPreviewFailed"]);
    assert.deepEqual(
      app.approvals.find("ap1")?.previews.map(({ state, code }) => [state, code]),
      [
        ["failed", "preview.unsafe"],
        ["failed", "preview.unsafe"],
      ],
    );
  });

  it("that somebody may not have asks nothing of anybody", async (t) => {
    const { preview, asked, types } = await setUp(t);
    await assert.rejects(preview(human("ana")), fails("approval.self"));
    await assert.rejects(preview(human("di")), fails("auth.forbidden"));
    await assert.rejects(preview(machine("ci")), fails("approval.machine"));
    assert.deepEqual([asked, await types()], [[], ["ApprovalRequested"]]);
  });

  it("whose approval is decided meanwhile still has its outcome recorded", async (t) => {
    const { preview, app, types } = await setUp(t, async () => {
      await app.approvals.deny("ap1", human("cy"), "no", admin);
      return sight;
    });
    await preview();
    assert.deepEqual((await types()).slice(1), ["ApprovalPreviewRequested", "ApprovalDenied", "ApprovalPreviewed"]);
    assert.deepEqual([app.approvals.find("ap1")?.state, app.approvals.find("ap1")?.previews[0]?.state], ["denied", "shown"]);
  });
});
