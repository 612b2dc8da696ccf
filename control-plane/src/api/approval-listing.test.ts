import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { setImmediate as turn } from "node:timers/promises";
import { Approval } from "@sallyport/proto/gen/sallyport/api/v1/api";
import type { ApprovalView } from "../application/approval-ports.ts";
import { command } from "../application/testing/samples.ts";
import {
  LISTED_STATEMENT_LENGTH,
  listApprovals,
  MAX_LISTED,
  MAX_LISTED_BYTES,
  MAX_LISTING_DECISIONS,
  MAX_WAITING_LISTINGS,
  OneAtATime,
  type Visibility,
} from "./approval-listing.ts";

const plan = { commands: [], forSeconds: 60, reason: "release 7" };
const approval = (number: number, more: Partial<ApprovalView> = {}): ApprovalView => ({
  id: `a${number}`,
  state: "pending",
  sessionId: "s1",
  command: command(1, "delete from t"),
  resource: "orders",
  requestedBy: "ana",
  policyVersion: "p1",
  rules: ["r1"],
  quorum: 1,
  steps: [{ people: 1, groups: [] }],
  denyBy: [],
  approverHours: [],
  escalation: undefined,
  escalated: false,
  approvers: [],
  votes: [],
  counter: undefined,
  previews: [],
  counterTo: undefined,
  settings: undefined,
  plan: undefined,
  until: undefined,
  scope: undefined,
  uses: 0,
  requestedAt: new Date(Date.parse("2026-11-22T10:00:00.000Z") + number),
  expiresAt: new Date("2026-11-22T11:00:00.000Z"),
  decidedBy: "",
  comment: "",
  ...more,
});
const many = (count: number, more?: Partial<ApprovalView>): ApprovalView[] => Array.from({ length: count }, (_, number) => approval(number, more));
const ids = ({ approvals }: { readonly approvals: readonly { readonly id: string }[] }): string[] => approvals.map(({ id }) => id);
const all: Visibility = { plainly: () => true, byPolicy: () => assert.fail("policy need not be asked") };

/** Sees what policy lets them, and counts how often it was asked. */
function asking(answer: (approval: ApprovalView) => boolean, plainly: Visibility["plainly"] = () => false) {
  const asked: string[] = [];
  const byPolicy = (each: ApprovalView): boolean => {
    asked.push(each.id);
    return answer(each);
  };
  return { asked, sight: { plainly, byPolicy } };
}

describe("a list of approvals", () => {
  it("is newest first, and asks policy about no more than it shows", async () => {
    const { asked, sight } = asking(() => true);
    const listed = await listApprovals(many(5_000), sight, 3);
    assert.deepEqual([ids(listed), listed.more], [["a4999", "a4998", "a4997"], true]);
    assert.ok(asked.length <= 4, `${asked.length} decisions for three lines`);
  });

  it("asks policy so often and no more, says that there may be others, and still has what needs no asking", async () => {
    const { asked, sight } = asking(
      () => false,
      ({ id }) => id === "a7",
    );
    const listed = await listApprovals(many(5_000), sight, MAX_LISTED);
    assert.deepEqual([asked.length, ids(listed), listed.more], [MAX_LISTING_DECISIONS, ["a7"], true]);
  });

  it("lets others have their turn while it asks", async () => {
    let turns = 0;
    const listing = { isOver: false };
    const others = (async () => {
      for (; !listing.isOver; turns++) await turn();
    })();
    await listApprovals(many(200), asking(() => true).sight, MAX_LISTED);
    listing.isOver = true;
    await others;
    assert.ok(turns >= 5, `${turns} turns`);
  });

  it("cuts texts, leaves out plans, and fits a message however much there is", async () => {
    const long = command(1, `select '${"x".repeat(30_000)}'`);
    const commands = Array.from({ length: 40 }, () => ({ statement: "x".repeat(800), digest: "", facts: long.facts, rules: [] }));
    const [listed] = (await listApprovals([approval(1, { command: long, plan: { ...plan, commands } })], all, 1)).approvals;
    assert.ok(listed !== undefined);
    assert.deepEqual([listed.statement.length, listed.plan, listed.reason], [LISTED_STATEMENT_LENGTH, [], "release 7"]);
    const full = await listApprovals(many(MAX_LISTED, { command: long, comment: "y".repeat(1_000) }), all, MAX_LISTED);
    const bytes = full.approvals.reduce((sum, each) => sum + Approval.encode(each).finish().length, 0);
    assert.ok(full.more && full.approvals.length > 100 && bytes <= MAX_LISTED_BYTES, `${full.approvals.length} in ${bytes} bytes`);
  });
});

describe("listings of one identity", () => {
  it("are made one after the other, those of others meanwhile, and no more wait than a few", async () => {
    const listings = new OneAtATime();
    const order: string[] = [];
    const first = Promise.withResolvers<void>();
    const hold = (name: string, until: Promise<void>) => async (): Promise<string> => {
      order.push(`${name} begins`);
      await until;
      order.push(`${name} ends`);
      return name;
    };
    const running = [listings.run("ana", hold("one", first.promise))];
    for (let index = 0; index < MAX_WAITING_LISTINGS; index++) running.push(listings.run("ana", hold("next", Promise.resolve())));
    await assert.rejects(listings.run("ana", hold("surplus", Promise.resolve())), { code: "session.limit" });
    assert.equal(await listings.run("bo", hold("other", Promise.resolve())), "other");
    assert.deepEqual(order, ["one begins", "other begins", "other ends"]);
    first.resolve();
    await Promise.all(running);
    assert.deepEqual(order.slice(3, 6), ["one ends", "next begins", "next ends"]);
    await assert.rejects(
      listings.run("ana", () => Promise.reject(new Error("broken"))),
      /broken/u,
    );
    assert.equal(await listings.run("ana", hold("again", Promise.resolve())), "again", "a failure ends with itself");
  });
});
