import { readdirSync, readFileSync, statSync } from "node:fs";
import { basename, join } from "node:path";
import type { PolicyFile } from "@sallyport/proto/gen/sallyport/api/v1/api";
import type { Command } from "commander";
import { exitStatus, Misuse } from "./exit-status.ts";
import { toJson, tone } from "./io.ts";
import { runVerb } from "./verb.ts";

export function policyVerb(program: Command): void {
  const policy = program.command("policy").description("check, publish and show the policy in force");
  policy
    .command("check")
    .argument("<path>", "a .cedar file or a directory of them")
    .description("parse and validate; publishes nothing")
    .action((path: string, _options, command: Command) =>
      runVerb(command, async ({ io, api }) => {
        const client = api();
        const { version, problems } = await client.call(client.policies.checkPolicy.bind(client.policies), { files: readPolicy(path) });
        const errors = problems.filter(({ severity }) => severity === "error");
        if (io.json) io.out(toJson({ version, problems }));
        else {
          for (const { severity, file, line, message } of problems)
            io.out(`${file}:${line}: ${tone(severity === "error" ? "red" : "yellow", severity)}: ${message}`);
          io.out(errors.length === 0 ? `${version}: good` : `${errors.length} error(s); this cannot be published.`);
        }
        return errors.length === 0 ? exitStatus.done : exitStatus.refused;
      }),
    );
  policy
    .command("publish")
    .argument("<path>", "a .cedar file or a directory of them")
    .option("--reason <text>", "why; it is recorded", "")
    .description("put it in force for every session at once")
    .action((path: string, { reason }: { reason: string }, command: Command) =>
      runVerb(command, async ({ io, api }) => {
        const client = api();
        const { version } = await client.call(client.policies.publishPolicy.bind(client.policies), { files: readPolicy(path), reason });
        io.out(io.json ? toJson({ version }) : `Policy ${version} is in force.`);
      }),
    );
  policy
    .command("show", { isDefault: true })
    .description("the policy in force")
    .action((_options, command: Command) =>
      runVerb(command, async ({ io, api }) => {
        const client = api();
        const published = await client.call(client.policies.getPolicy.bind(client.policies), {});
        if (io.json) return io.out(toJson(published));
        if (published.version === "") return io.out("No policy is published: everything is refused.");
        io.out(`${published.version}, published by ${published.publishedBy} at ${published.publishedAt?.toISOString() ?? ""}`);
        for (const { name, text } of published.files) io.out(`\n// ${name}\n${text.trimEnd()}`);
      }),
    );
}

function readPolicy(path: string): PolicyFile[] {
  const found = statSync(path, { throwIfNoEntry: false });
  if (found === undefined) throw new Misuse(`There is no ${path}.`);
  if (!found.isDirectory()) return [{ name: basename(path), text: readFileSync(path, "utf8") }];
  const names = readdirSync(path).filter((name) => name.endsWith(".cedar"));
  if (names.length === 0) throw new Misuse(`${path} holds no .cedar file.`);
  return names.toSorted().map((name) => ({ name, text: readFileSync(join(path, name), "utf8") }));
}
