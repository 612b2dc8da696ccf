import { createHash } from "node:crypto";
import { SallyportError } from "@sallyport/proto/errors";
import type { PolicyEngine } from "../domain/decision.ts";
import * as policy from "../domain/policy/policy.decider.ts";
import { type PolicyFile, policyStream } from "../domain/policy/policy.events.ts";
import type { Policies, PolicyCompiler, PolicyProblem } from "./ports.ts";
import type { UseCaseDeps } from "./use-case.ts";

/** The same rules have the same version, whatever the order of the files and the ends of their lines. */
export const canonicalFiles = (files: readonly PolicyFile[]): PolicyFile[] =>
  files.map(({ name, text }) => ({ name, text: text.replaceAll("\r\n", "\n") })).toSorted((a, b) => (a.name < b.name ? -1 : a.name > b.name ? 1 : 0));

export function policyVersion(files: readonly PolicyFile[]): string {
  const canonical = JSON.stringify(canonicalFiles(files).map(({ name, text }) => [name, text]));
  return `p${createHash("sha256").update(canonical, "utf8").digest("hex").slice(0, 12)}`;
}

export function createPolicies({ live, execute, log, compiler }: UseCaseDeps & { readonly compiler: PolicyCompiler }): Policies {
  /** The last version that was asked for; a failure is kept too, so that it is not tried again for each command. */
  let loaded: { readonly version: string; readonly engine: PolicyEngine | undefined } | undefined;

  function engineOf(version: string, files: readonly PolicyFile[]): PolicyEngine | undefined {
    if (loaded?.version === version) return loaded.engine;
    let engine: PolicyEngine | undefined;
    try {
      engine = compiler.compile(version, files);
    } catch (error) {
      log.error({ err: error, policyVersion: version }, "the published policy does not load; everything is refused");
    }
    loaded = { version, engine };
    return engine;
  }

  function problemsOf(files: readonly PolicyFile[]): readonly PolicyProblem[] {
    const names = new Set<string>();
    const own: PolicyProblem[] = [];
    for (const { name, text } of files) {
      if (names.has(name)) own.push({ severity: "error", file: name, line: 0, message: "Two files have this name." });
      if (!name.isWellFormed() || !text.isWellFormed())
        own.push({ severity: "error", file: name.toWellFormed(), line: 0, message: "Not well-formed Unicode." });
      names.add(name);
    }
    return own.length > 0 ? own : compiler.check(files);
  }

  return {
    current() {
      const published = live.policy.published;
      if (published === undefined || live.failure !== undefined) return undefined;
      return engineOf(published.version, published.files);
    },

    published: () => live.policy.published,

    check(files) {
      const canonical = canonicalFiles(files);
      return { version: policyVersion(canonical), problems: problemsOf(canonical) };
    },

    async publish(files, reason, context) {
      const canonical = canonicalFiles(files);
      const version = policyVersion(canonical);
      const errors = problemsOf(canonical).filter(({ severity }) => severity === "error");
      if (errors.length > 0) {
        throw new SallyportError("policy.invalid", errors.map(({ file, line, message }) => `${file}:${String(line)}: ${message}`).join("\n"), {
          problems: String(errors.length),
        });
      }
      const engine = compiler.compile(version, canonical);
      await execute({
        decider: policy,
        stream: policyStream(),
        command: { type: "Publish", version, files: canonical, reason },
        context,
        believed: live.policies.get(policyStream()),
      });
      if (live.policy.published?.version === version) loaded = { version, engine };
      return version;
    },
  };
}
