import type { RuleChange } from "@sallyport/proto/gen/sallyport/api/v1/api";
import type { Command } from "commander";
import { bold, dim, type Io, toJson, tone } from "../io.ts";
import { printable } from "../table.ts";
import { runVerb } from "../verb.ts";
import { isVersion, readPolicy } from "./read-policy.ts";

const about = `
How rules are written, and in which file, does not count: only what they decide and ask for.

Examples:
  sallyport policy diff ./policies                  against the policy in force
  sallyport policy diff ./policies p0123456789ab    against another version
  sallyport policy diff ./policies ../main/policies`;

export function diffVerb(policy: Command): void {
  policy
    .command("diff")
    .argument("<path>", "a .cedar file or a directory of them")
    .argument("[against]", "a version, a .cedar file or a directory; without, the policy in force")
    .description("what changes, rule by rule")
    .addHelpText("after", about)
    .action((path: string, against: string | undefined, _options, command: Command) =>
      runVerb(command, async ({ io, api }) => {
        const isPath = against !== undefined && !isVersion(against);
        const request = { after: readPolicy(path), before: isPath ? readPolicy(against) : [], beforeVersion: isPath ? "" : (against ?? "") };
        const { changes } = await api().policies.diffPolicy(request);
        if (io.json) return io.out(toJson({ changes }));
        for (const change of changes) show(io, change);
        const count = (kind: string): number => changes.filter((change) => change.kind === kind).length;
        io.out(changes.length === 0 ? "No rule changes." : `${count("added")} added, ${count("removed")} removed, ${count("changed")} changed.`);
      }),
    );
}

const marks: Readonly<Record<string, { readonly mark: string; readonly colour: "green" | "red" | "yellow" }>> = {
  added: { mark: "+", colour: "green" },
  removed: { mark: "-", colour: "red" },
};

function show(io: Io, { rule, kind, file, line, parts }: RuleChange): void {
  const { mark, colour } = marks[kind] ?? { mark: "~", colour: "yellow" };
  io.out(`${tone(colour, mark)} ${bold(printable(rule))}  ${dim(`${printable(file)}:${line}`)}`);
  for (const { part, before, after } of parts) {
    io.out(`    ${part}`);
    if (before !== "") io.out(tone("red", `      - ${printable(before)}`));
    if (after !== "") io.out(tone("green", `      + ${printable(after)}`));
  }
}
