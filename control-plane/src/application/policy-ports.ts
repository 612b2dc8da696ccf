import type { PolicyEngine } from "../domain/decision.ts";
import type { PolicyFile, PolicyNames } from "../domain/policy/policy.events.ts";
import type { CommandContext } from "./ports.ts";

export interface PolicyProblem {
  /** A note is no problem: it says what holds beside the rules. */
  readonly severity: "error" | "warning" | "note";
  readonly file: string;
  readonly line: number;
  readonly message: string;
}

export interface Policies {
  /** The engine of the published version, undefined until one is published. */
  current(): PolicyEngine | undefined;
  published(): { readonly version: string; readonly files: readonly PolicyFile[]; readonly by: string; readonly at: Date } | undefined;
  /** With the tests beside the rules, when the rules have no error; `passed` counts what they found as expected. */
  check(files: readonly PolicyFile[]): Promise<{ readonly version: string; readonly problems: readonly PolicyProblem[]; readonly passed: number }>;
  /**
   * Proposes and publishes where nobody else must agree. Fails with `policy.invalid` naming every problem, and with `policy.unapproved`
   * when it is proposed and waits for somebody else. Publishing what is in force changes nothing.
   */
  publish(files: readonly PolicyFile[], reason: string, context: CommandContext): Promise<string>;
}

export interface PolicyMention {
  readonly kind: "group" | "identity" | "resource";
  readonly name: string;
  readonly file: string;
  readonly line: number;
}

/** `effect`, `scope`, `conditions`, or the name of an annotation; empty where there is none. */
export interface RulePart {
  readonly part: string;
  readonly before: string;
  readonly after: string;
}

export interface RuleChange {
  readonly kind: "added" | "removed" | "changed";
  readonly rule: string;
  /** Where it is now; of one that was removed, where it was. */
  readonly file: string;
  readonly line: number;
  readonly parts: readonly RulePart[];
}

/** Runs the tests beside a policy set's rules against its engine. A test that fails is an error. */
export type PolicyRehearsal = (
  engine: PolicyEngine,
  files: readonly PolicyFile[],
) => Promise<{ readonly problems: readonly PolicyProblem[]; readonly passed: number }>;

/** Compiles a policy set. The adapter is `src/policy`. */
export interface PolicyCompiler {
  check(files: readonly PolicyFile[]): readonly PolicyProblem[];
  /** What the rules name, of files that were checked. */
  names(files: readonly PolicyFile[]): PolicyNames;
  /** Of files that were checked: whom and what they name, and where. */
  mentions(files: readonly PolicyFile[]): readonly PolicyMention[];
  /** What changed from one set to another; of files that do not parse, nothing is known. */
  diff(before: readonly PolicyFile[], after: readonly PolicyFile[]): readonly RuleChange[];
  /** Throws `policy.invalid`; not for what only a later release calls an error, as what is published must still be enforced. */
  compile(version: string, files: readonly PolicyFile[]): PolicyEngine;
}
