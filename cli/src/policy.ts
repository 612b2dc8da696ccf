import type { PolicyFile } from "@sallyport/proto/gen/sallyport/api/v1/api";
import type { Command } from "commander";
import { exitStatus } from "./exit-status.ts";
import { dim, type Io, toJson, tone } from "./io.ts";
import { diffVerb } from "./policy/diff.ts";
import { lifecycleVerbs, showVersion, warnOfFailure } from "./policy/lifecycle.ts";
import { readPolicy } from "./policy/read-policy.ts";
import { tryVerb } from "./policy/try.ts";
import { instant, printable, printableLines } from "./table.ts";
import { runVerb } from "./verb.ts";

export function policyVerb(program: Command): void {
  const policy = program.command("policy").description("what is allowed: check it, propose it, try it on history, agree to it, publish it");
  policy
    .command("check")
    .argument("<path>", "a .cedar file or a directory of them")
    .description("parse, validate, and run the tests beside the rules; publishes nothing")
    .action((path: string, _options, command: Command) =>
      runVerb(command, async ({ io, api }) => {
        const { version, problems, testsPassed } = await api().policies.checkPolicy({ files: readPolicy(path) });
        const errors = problems.filter(({ severity }) => severity === "error");
        if (io.json) io.out(toJson({ version, problems, testsPassed }));
        else {
          for (const { severity, file, line, message } of problems)
            io.out(
              `${printable(file)}:${line}: ${severity === "note" ? dim(severity) : tone(severity === "error" ? "red" : "yellow", severity)}: ${printable(message)}`,
            );
          io.out(
            errors.length === 0
              ? `${version}: good${testsPassed === 0 ? "" : `; ${testsPassed} ${testsPassed === 1 ? "decision" : "decisions"} as its tests expect`}`
              : `${errors.length} error(s); this cannot be published.`,
          );
        }
        return errors.length === 0 ? exitStatus.done : exitStatus.refused;
      }),
    );
  diffVerb(policy);
  lifecycleVerbs(policy);
  tryVerb(policy);
  policy
    .command("show", { isDefault: true })
    .argument("[version]", "one of any time; without, the policy in force")
    .description("a policy with its rules")
    .action((version: string | undefined, _options, command: Command) =>
      runVerb(command, async ({ io, api }) => {
        const client = api();
        if (version !== undefined) {
          const found = await client.policyChanges.getPolicyVersion({ version });
          if (io.json) return io.out(toJson(found));
          if (found.policy !== undefined) showVersion(io, found.policy);
          return showFiles(io, found.files);
        }
        const published = await client.policies.getPolicy({});
        if (io.json) return io.out(toJson(published));
        if (published.loadFailed) warnOfFailure(io, published.version, published.keeps);
        if (published.version === "") return io.out("No policy is published: everything is refused.");
        io.out(`${published.version}, published by ${published.publishedBy} at ${instant(published.publishedAt)}`);
        showFiles(io, published.files);
      }),
    );
}

function showFiles(io: Io, files: readonly PolicyFile[]): void {
  for (const { name, text } of files) {
    io.out(`\n// ${printable(name)}`);
    for (const line of printableLines(text.trimEnd())) io.out(line);
  }
}
