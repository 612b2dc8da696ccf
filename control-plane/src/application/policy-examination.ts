import { findDisruptive } from "@sallyport/proto/disruptive";
import type { PolicyFile } from "../domain/policy/policy.events.ts";
import type { LiveState } from "./live-state.ts";
import { lockout, remainingBuiltInRules } from "./policy-administrators.ts";
import type { PolicyCompiler, PolicyProblem, PolicyRehearsal } from "./policy-ports.ts";
import { policyVersion } from "./policy-version.ts";

/** Where no parser is at hand. */
export const cannotRehearse: PolicyRehearsal = async (_engine, files) => ({
  problems: files
    .filter(({ name }) => name.endsWith(".test.json"))
    .map(({ name }) => ({ severity: "error", file: name, line: 1, message: "Nothing here can run tests." })),
  passed: 0,
});

export interface PolicyExamination {
  /** Of the files by themselves: what does not parse, does not type-check, or is there twice. */
  readonly problemsOf: (files: readonly PolicyFile[]) => readonly PolicyProblem[];
  /** Of everything, with the tests beside the rules; `passed` counts what they found as expected. */
  readonly examine: (files: readonly PolicyFile[]) => Promise<{ readonly problems: readonly PolicyProblem[]; readonly passed: number }>;
}

export function createExamination({
  compiler,
  rehearse,
  live,
}: {
  readonly compiler: PolicyCompiler;
  readonly rehearse: PolicyRehearsal;
  readonly live: Pick<LiveState, "identities" | "resources">;
}): PolicyExamination {
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

  /**
   * What rules name and nothing here knows. A rule about an identity that does not exist is a slip of the pen, and would be theirs
   * who gets that name later; groups and resources may be known to others before us.
   */
  function unknownNames(files: readonly PolicyFile[]): readonly PolicyProblem[] {
    const identities = new Map(Array.from(live.identities.states(), ({ identityId, groups }) => [identityId, groups]));
    const groups = new Set([...identities.values()].flat());
    const resources = new Set(Array.from(live.resources.states(), ({ name }) => name));
    return compiler.mentions(files).flatMap(({ kind, name, file, line }): PolicyProblem[] => {
      if (kind === "identity" && !identities.has(name))
        return [{ severity: "error", file, line, message: `There is no identity ${JSON.stringify(name)}. Name a group, or create it first.` }];
      if (kind === "group" && !groups.has(name)) return [{ severity: "warning", file, line, message: `Nobody is in the group ${JSON.stringify(name)}.` }];
      if (kind === "resource" && !resources.has(name))
        return [{ severity: "warning", file, line, message: `No agent has offered a resource ${JSON.stringify(name)}.` }];
      return [];
    });
  }

  /** Of what is put before others, who read it on a terminal. What is published already loads as it is. */
  const unreadable = (files: readonly PolicyFile[]): readonly PolicyProblem[] =>
    files.flatMap(({ name, text }): PolicyProblem[] => {
      const [inName, inText] = [findDisruptive(name), findDisruptive(text)];
      const problem = (line: number, found: string): PolicyProblem => ({
        severity: "error",
        file: name,
        line,
        message: `The control character ${found}: it shows readers another text than the one that decides.`,
      });
      if (inName !== undefined) return [problem(0, inName.name)];
      return inText === undefined ? [] : [problem(text.slice(0, inText.index).split("\n").length, inText.name)];
    });

  /** Rules first: the tests of rules with an error mean nothing. */
  async function examine(files: readonly PolicyFile[]): Promise<{ readonly problems: readonly PolicyProblem[]; readonly passed: number }> {
    const found = [...unreadable(files), ...problemsOf(files)];
    if (found.some(({ severity }) => severity === "error")) return { problems: found, passed: 0 };
    const unknown = unknownNames(files);
    if (unknown.some(({ severity }) => severity === "error")) return { problems: [...unknown, ...found], passed: 0 };
    const engine = compiler.compile(policyVersion(files), files);
    const { problems, passed } = await rehearse(engine, files);
    return {
      problems: [...problems, ...lockout(engine, files, live.identities.states()), ...unknown, ...found, ...remainingBuiltInRules(engine, files)],
      passed,
    };
  }

  return { problemsOf, examine };
}
