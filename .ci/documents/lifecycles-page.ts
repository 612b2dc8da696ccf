import { globSync, readFileSync } from "node:fs";
import { approvalMachine } from "../../control-plane/src/domain/approval/approval.machine.ts";
import { delegationMachine } from "../../control-plane/src/domain/delegation/delegation.machine.ts";
import { erasureMachine } from "../../control-plane/src/domain/erasure/erasure.machine.ts";
import { grantMachine } from "../../control-plane/src/domain/grant/grant.machine.ts";
import { policyMachine } from "../../control-plane/src/domain/policy/policy.machine.ts";
import { page } from "./markdown.ts";

/** What is drawn of an xstate machine. */
interface Machine {
  readonly id: string;
  readonly root: { readonly initial: { readonly target: readonly { readonly key: string }[] } };
  readonly states: Readonly<Record<string, State>>;
}
interface State {
  readonly key: string;
  readonly type: string;
  readonly transitions: ReadonlyMap<string, readonly Transition[]>;
}
interface Transition {
  readonly eventType: string;
  readonly target: readonly { readonly key: string }[] | undefined;
  readonly guard?: unknown;
}

/** Every machine of the product, by its file: a new one that is not here fails, so that none is left out. */
const machines: Readonly<Record<string, Machine>> = {
  "control-plane/src/domain/approval/approval.machine.ts": approvalMachine,
  "control-plane/src/domain/delegation/delegation.machine.ts": delegationMachine,
  "control-plane/src/domain/erasure/erasure.machine.ts": erasureMachine,
  "control-plane/src/domain/grant/grant.machine.ts": grantMachine,
  "control-plane/src/domain/policy/policy.machine.ts": policyMachine,
};

export function lifecyclesPage(): string {
  const missing = globSync("*/src/**/*.machine.ts").filter((file) => !Object.hasOwn(machines, file));
  if (missing.length > 0) throw new Error(`.ci/documents/lifecycles-page.ts does not draw ${missing.join(", ")}.`);
  return page(
    "Lifecycles",
    "the state machines in control-plane/src/domain",
    "What may become of an approval, a grant, a policy and the like. An arrow is an event of the record, which does nothing in a state that has no arrow for it; in brackets is the condition that must hold for it. Nothing follows on a state that leads to the end.",
    ...Object.entries(machines).flatMap(([file, machine]) => [`## ${titleOf(machine.id)}`, contractOf(file), `\`\`\`mermaid\n${diagramOf(machine)}\n\`\`\``]),
  );
}

export function diagramOf(machine: Machine): string {
  const lines = ["stateDiagram-v2"];
  const initial = machine.root.initial.target[0]?.key;
  if (initial !== undefined) lines.push(`[*] --> ${initial}`);
  for (const state of Object.values(machine.states)) {
    for (const transition of [...state.transitions.values()].flat()) {
      const target = transition.target?.[0]?.key ?? state.key;
      const guard = typeof transition.guard === "string" ? ` [${transition.guard}]` : "";
      lines.push(`${state.key} --> ${target}: ${transition.eventType}${guard}`);
    }
    if (state.type === "final") lines.push(`${state.key} --> [*]`);
  }
  return lines.join("\n    ");
}

const titleOf = (id: string): string => `${id.slice(0, 1).toUpperCase()}${id.slice(1)}`;

/** What stands above the machine in its file: its numbered invariants, one a line. */
function contractOf(file: string): string {
  const [, comment = ""] = /\/\*\*((?:(?!\*\/)[^])*)\*\/\s*export const \w+Machine/u.exec(readFileSync(file, "utf8")) ?? [];
  const lines = comment.split("\n").map((line) => line.replace(/^\s*\* ?/u, "").trim());
  let text = "";
  for (const line of lines) {
    if (invariant.test(line)) text += `${text.endsWith("\n\n") ? "" : "\n"}- ${line}`;
    else if (line === "") text += text === "" ? "" : "\n\n";
    else text += `${text === "" || text.endsWith("\n") ? "" : " "}${line}`;
  }
  return text.trim();
}

const invariant = /^[A-Z]\d+\. /u;
