import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { setImmediate as turn } from "node:timers/promises";
import type { AuthorityQuestion } from "../domain/authority.ts";
import type { ResourceRef } from "../domain/decision.ts";
import { DECISIONS_AT_ONCE } from "./in-turns.ts";
import { isVisible, visibleSessions } from "./visible-sessions.ts";

const RESOURCES = 500;
const all = Array.from({ length: RESOURCES }, (_, index): ResourceRef => ({ name: `db${index}`, protocol: "postgres", labels: {} }));
const ana = { id: "ana", kind: "human", groups: [] } as const;

function scene(may: (question: AuthorityQuestion) => boolean) {
  const asked = { count: 0 };
  const authority = {
    decide: () => assert.fail("nobody asks for the whole of it"),
    may(question: AuthorityQuestion) {
      asked.count += 1;
      return may(question);
    },
    require: () => undefined,
  };
  return { asked, of: { authority, resources: { of: () => assert.fail("none is asked for by name"), all: () => all } } };
}

describe("sessions that somebody may see", () => {
  it("are their own, and of others those on the resources that policy lets them", async () => {
    const { of } = scene(({ own = false, resource }) => own || resource?.name === "db7");
    const visible = await visibleSessions(of, ana, "");
    const rows = [
      ["ana", "db1"],
      ["bo", "db1"],
      ["bo", "db7"],
      ["ana", "never served"],
      ["bo", "never served"],
    ] as const;
    assert.deepEqual(
      rows.map(([identity, resource]) => isVisible(visible, { identity, resource })),
      [true, false, true, true, false],
    );
  });

  it("are found for any number of resources while others have their turn", async () => {
    const { asked, of } = scene(({ own = false }) => own);
    const listing = { isOver: false };
    let most = 0;
    const others = (async () => {
      for (let before = 0; !listing.isOver; before = asked.count) {
        await turn();
        most = Math.max(most, asked.count - before);
      }
    })();
    await visibleSessions(of, ana, "");
    listing.isOver = true;
    await others;
    assert.ok(asked.count > 2 * RESOURCES && most <= 2 * DECISIONS_AT_ONCE, `${most} of ${asked.count} decisions in a row`);
  });
});
