import { setup } from "xstate";
import type { PolicyEvent } from "./policy.events.ts";

/**
 * The life of one policy version. Trying it on history and its approval come between `proposed` and `published`.
 * A retired version may be proposed again: that is how one goes back.
 */
export const policyMachine = setup({ types: { events: {} as PolicyEvent } }).createMachine({
  id: "policy",
  initial: "absent",
  states: {
    absent: { on: { PolicyProposed: "proposed" } },
    proposed: { on: { PolicyPublished: "published" } },
    published: { on: { PolicyRetired: "retired" } },
    retired: { on: { PolicyProposed: "proposed" } },
  },
});
