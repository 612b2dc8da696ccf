import assert from "node:assert/strict";
import { describe, it } from "node:test";
import fc from "fast-check";
import { scenario } from "../given.ts";
import * as policy from "./policy.decider.ts";
import type { PolicyEvent } from "./policy.events.ts";
import {
  approve,
  approvedBy,
  before,
  human,
  propose,
  proposed,
  publish,
  published,
  reject,
  rejectedBy,
  retired,
  superseded,
  tried,
  withdrawnBy,
} from "./policy.samples.ts";

const given = scenario(policy, "2026-11-22T10:00:00.000Z");
const alone = { administrators: ["ana"], configured: "auto" } as const;

describe("proposing a policy", () => {
  it("says on top of what, by whom, and that somebody else must agree", () => {
    given(...before)
      .when(propose("p1"))
      .gives(proposed("p1"));
  });

  it("needs nobody for the first policy, and nobody for an administrator who is alone", () => {
    given()
      .when(propose("p0"))
      .gives(proposed("p0", "", 0));
    given(...before)
      .when({ ...propose("p1"), ...alone })
      .gives(proposed("p1", "p0", 0));
  });

  it("needs the one person there is, where a machine proposes", () => {
    given(...before)
      .when({ ...propose("p1", { id: "ci", kind: "machine" }), ...alone })
      .gives(proposed("p1", "p0", 1, "ci"));
  });

  it("needs somebody besides whoever the proposer acts for", () => {
    const command = { ...propose("p1", { id: "robot", kind: "machine", onBehalfOf: "ana" }), ...alone } as policy.PolicyCommand;
    const [event] = policy.decide(command, before.reduce(policy.evolve, policy.initialState));
    assert.ok(event?.type === "PolicyProposed");
    assert.deepEqual([event.data.required, event.data.onBehalfOf], [0, "ana"]);
  });

  it("needs as many as the configuration says", () => {
    given(...before)
      .when({ ...propose("p1"), configured: 2 } as policy.PolicyCommand)
      .gives(proposed("p1", "p0", 2));
  });

  it("changes nothing when it is proposed or in force, and starts anew when it was decided", () => {
    given(...before, proposed("p1"))
      .when(propose("p1"))
      .gives();
    given(...before)
      .when(propose("p0"))
      .gives();
    const again = given(...before, proposed("p1"), approvedBy("bo"), rejectedBy("cy"))
      .when(propose("p1"))
      .gives(proposed("p1"));
    assert.deepEqual(again.versions.get("p1")?.context.approvers, []);
  });

  it("refuses no files, more than one append can carry, other rules of the same version, and a flood", () => {
    given()
      .when({ ...propose("p1"), files: [] } as policy.PolicyCommand)
      .fails("input.invalid");
    given()
      .when({ ...propose("p1"), files: [{ name: "a", text: "x".repeat(policy.MAX_POLICY_BYTES) }] } as policy.PolicyCommand)
      .fails("input.invalid");
    given(proposed("p1"))
      .when({ ...propose("p1"), digest: "cd".repeat(32) } as policy.PolicyCommand)
      .fails("input.invalid");
    given(...Array.from({ length: policy.MAX_OPEN_PROPOSALS }, (_, i) => proposed(`q${String(i)}`)))
      .when(propose("p1"))
      .fails("session.limit");
  });
});

describe("whom a proposal is told", () => {
  const notify = ["board", "security"];
  const telling = (event: PolicyEvent): PolicyEvent => ({ ...event, data: { ...event.data, notify } }) as PolicyEvent;
  const open = [...before, telling(proposed("p1"))];

  it("is in the record with it, and with each way in which it ends", () => {
    given(...before)
      .when(propose("p1", human("ana"), notify))
      .gives(telling(proposed("p1")));
    given(...open)
      .when(reject(human("bo")))
      .gives(telling(rejectedBy("bo")));
    given(...open)
      .when({ type: "Withdraw", version: "p1", by: human("ana") })
      .gives(telling(withdrawnBy("ana")));
    given(...open, telling(proposed("p2")), proposed("p3"), approvedBy("bo"))
      .when(publish())
      .gives(telling(published("p1", ["bo"])), retired("p0", "p1"), telling(superseded("p2", "p1")), superseded("p3", "p1"));
  });

  it("is whom it asked, not whom an earlier proposal of the same rules did", () => {
    given(...open, rejectedBy("bo"), proposed("p1"))
      .when(reject(human("bo")))
      .gives(rejectedBy("bo"));
  });
});

describe("agreeing to a policy (I5)", () => {
  const open = [...before, proposed("p1")];

  it("is for another administrator, before or after it was tried", () => {
    for (const history of [open, [...open, tried("p1")]]) {
      const state = given(...history)
        .when(approve(human("bo")))
        .gives(approvedBy("bo"));
      assert.equal(state.versions.get("p1")?.value, "approved");
    }
  });

  it("is refused to whoever proposed it, to their delegate, to whom they act for, to machines and to others", () => {
    given(...open)
      .when(approve(human("ana")))
      .fails("approval.self");
    given(...open)
      .when(approve({ id: "bo", kind: "human", onBehalfOf: "ana" }))
      .fails("approval.self");
    given(...before, { ...proposed("p1"), data: { ...proposed("p1").data, onBehalfOf: "bo" } } as PolicyEvent)
      .when(approve(human("bo")))
      .fails("approval.self");
    given(...open)
      .when(approve({ id: "robot", kind: "machine" }))
      .fails("approval.machine");
    given(...open)
      .when(approve(human("eve")))
      .fails("auth.forbidden");
  });

  it("is refused for other bytes than those that were shown, and for what is not proposed", () => {
    given(...open)
      .when({ ...approve(human("bo")), digest: "cd".repeat(32) } as policy.PolicyCommand)
      .fails("approval.drift");
    given(...before)
      .when(approve(human("bo")))
      .fails("policy.not_found");
    given(...open, rejectedBy("cy"))
      .when(approve(human("bo")))
      .fails("approval.already_decided");
  });

  it("counts each once", () => {
    given(...before, proposed("p1", "p0", 2), approvedBy("bo"))
      .when(approve(human("bo")))
      .gives();
  });

  it("can be refused by another, and taken back by whoever proposed it", () => {
    given(...open)
      .when(reject(human("bo")))
      .gives(rejectedBy("bo"));
    given(...open, approvedBy("cy"))
      .when(reject(human("bo")))
      .gives(rejectedBy("bo"));
    given(...open)
      .when(reject(human("ana")))
      .fails("approval.self");
    given(...open)
      .when({ type: "Withdraw", version: "p1", by: human("ana") })
      .gives(withdrawnBy("ana"));
    given(...open)
      .when({ type: "Withdraw", version: "p1", by: human("bo") })
      .fails("auth.forbidden");
  });
});

describe("publishing a policy", () => {
  it("needs who must agree, then retires the one before and supersedes what else is proposed, in one decision", () => {
    given(...before, proposed("p1"))
      .when(publish())
      .fails("policy.unapproved");
    const state = given(...before, proposed("p2"), proposed("p1"), approvedBy("bo"))
      .when(publish())
      .gives(published("p1", ["bo"]), retired("p0", "p1"), superseded("p2", "p1"));
    assert.equal(state.published, "p1");
    assert.equal(state.versions.get("p2")?.value, "superseded");
  });

  it("refuses what was proposed on top of another version", () => {
    given(
      ...before,
      proposed("p2"),
      proposed("p1"),
      approvedBy("bo"),
      approvedBy("bo", "p2"),
      published("p1", ["bo"]),
      retired("p0", "p1"),
      superseded("p2", "p1"),
    )
      .when(publish("p2"))
      .fails("policy.stale");
  });

  it("refuses other bytes than those that were agreed to", () => {
    given(...before, proposed("p1"), approvedBy("bo"))
      .when({ ...publish(), digest: "cd".repeat(32) } as policy.PolicyCommand)
      .fails("approval.drift");
  });

  it("does not count who is no administrator any more", () => {
    given(...before, proposed("p1"), approvedBy("bo"))
      .when({ ...publish(), administrators: ["ana", "cy"] } as policy.PolicyCommand)
      .fails("policy.unapproved");
  });

  it("needs somebody else when there is one by now, and still when there is none any more", () => {
    given(...before, proposed("p1", "p0", 0))
      .when(publish())
      .fails("policy.unapproved");
    given(...before, proposed("p1"))
      .when({ ...publish(), ...alone })
      .fails("policy.unapproved");
  });

  it("changes nothing when it is in force", () => {
    given(...before)
      .when(publish("p0"))
      .gives();
  });

  it("goes back to a retired version by the same way", () => {
    const state = given(...before, proposed("p1"), approvedBy("bo"), published("p1", ["bo"]), retired("p0", "p1"), proposed("p0", "p1"), approvedBy("cy", "p0"))
      .when(publish("p0"))
      .gives(published("p0", ["cy"]), retired("p1", "p0"));
    assert.equal(state.published, "p0");
  });

  it("takes no version for published that was never proposed, and none that too few agreed to", () => {
    assert.equal([published("p9")].reduce(policy.evolve, policy.initialState).published, undefined);
    const forged = [...before, proposed("p1"), published("p1", ["bo"])];
    assert.equal(forged.reduce(policy.evolve, policy.initialState).published, "p0");
  });

  it("takes only as many people as distinct others who agreed, whatever anybody tries", () => {
    const anyone = fc.constantFrom("ana", "bo", "cy", "eve");
    const move = fc.oneof(
      fc.record({ kind: fc.constant("approve"), who: anyone }),
      fc.record({ kind: fc.constant("reject"), who: anyone }),
      fc.record({ kind: fc.constant("publish"), who: anyone }),
      fc.record({ kind: fc.constant("propose"), who: anyone }),
    );
    fc.assert(
      fc.property(fc.array(move, { maxLength: 14 }), (moves) => {
        let state = before.reduce(policy.evolve, policy.initialState);
        let proposer = "";
        const agreed = new Set<string>();
        for (const { kind, who } of moves) {
          const command =
            kind === "approve" ? approve(human(who)) : kind === "reject" ? reject(human(who)) : kind === "publish" ? publish() : propose("p1", human(who));
          try {
            for (const event of policy.decide(command, state)) {
              if (event.type === "PolicyProposed") {
                proposer = event.data.proposedBy;
                agreed.clear();
              }
              if (event.type === "PolicyApproved") agreed.add(event.data.by);
              if (event.type === "PolicyPublished") assert.ok([...agreed].some((id) => id !== proposer && id !== "eve"));
              state = policy.evolve(state, event);
            }
          } catch (error) {
            assert.equal((error as Error).name, "SallyportError");
          }
        }
      }),
    );
  });

  it("records a trial while it is open, and not when it was decided meanwhile", () => {
    const trial = tried("p1");
    assert.ok(trial.type === "PolicyTried");
    given(...before, proposed("p1"))
      .when({ type: "RecordTrial", data: trial.data })
      .gives(trial);
    given(...before, proposed("p1"), rejectedBy("bo"))
      .when({ type: "RecordTrial", data: trial.data })
      .gives();
  });

  it("reads like a fold of what is left when somebody is forgotten", () => {
    const history = (who: string): PolicyEvent[] => [...before, proposed("p1", "p0", 1, who), approvedBy("bo")];
    const fold = (events: readonly PolicyEvent[]): unknown =>
      Array.from(events.reduce(policy.evolve, policy.initialState).versions, ([version, { value, context }]) => [version, value, context]);
    const state = policy.renamed(history("dan").reduce(policy.evolve, policy.initialState), "dan", "forgotten-1");
    assert.deepEqual(
      Array.from(state.versions, ([version, { value, context }]) => [version, value, context]),
      fold(history("forgotten-1")),
    );
  });
});
