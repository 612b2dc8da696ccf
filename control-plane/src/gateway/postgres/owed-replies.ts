import { frontend } from "@sallyport/proto/wire/postgres/message-types";
import type { Step } from "./interpret.ts";
import type { RunningCommand } from "./running-command.ts";
import type { SessionKnowledge } from "./session-knowledge.ts";
import type { Expectation } from "./target-replies.ts";

/** What is kept of a prepared statement beside its text. */
const KEPT_ANALYSIS_BYTES = 2_048;

/** What the target will owe for a group, and what each answer tells. `commands`: one for each executable of the steps, in order. */
export function owedReplies(steps: readonly Step[], commands: readonly RunningCommand[], knowledge: SessionKnowledge): Expectation[] {
  const { statements, portals } = knowledge;
  const running = commands.values();
  const next = (): RunningCommand | undefined => running.next().value;
  return steps.flatMap((step): Expectation[] => {
    switch (step.kind) {
      case "parse":
        return [{ kind: "parse", confirmed: () => statements.set(step.name, step.prepared, step.frame.raw.length + KEPT_ANALYSIS_BYTES) }];
      case "bind":
        return [{ kind: "bind", confirmed: () => portals.set(step.name, step.portal, step.frame.raw.length), command: step.executable && next() }];
      case "execute": {
        const command = next();
        return command === undefined ? [] : [{ kind: "execute", command, ran: () => knowledge.ran(step.analysis, step.portal) }];
      }
      case "close":
        return [{ kind: "close", confirmed: () => (step.target === "statement" ? statements : portals).delete(step.name) }];
      case "other":
        if (step.frame.type === frontend.describe) return [{ kind: "describe" }];
        return step.frame.type === frontend.sync ? [{ kind: "sync" }] : [];
    }
  });
}
