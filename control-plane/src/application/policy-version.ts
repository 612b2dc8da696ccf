import { createHash } from "node:crypto";
import type { PolicyFile, PolicyNames } from "../domain/policy/policy.events.ts";

/** The same rules have the same version, whatever the order of the files and the ends of their lines. */
export const canonicalFiles = (files: readonly PolicyFile[]): PolicyFile[] =>
  files.map(({ name, text }) => ({ name, text: text.replaceAll("\r\n", "\n") })).toSorted((a, b) => (a.name < b.name ? -1 : a.name > b.name ? 1 : 0));

const pairsOf = (files: readonly PolicyFile[]): readonly (readonly [string, string])[] => canonicalFiles(files).map(({ name, text }) => [name, text]);

export function policyVersion(files: readonly PolicyFile[]): string {
  return `p${createHash("sha256")
    .update(JSON.stringify(pairsOf(files)), "utf8")
    .digest("hex")
    .slice(0, 12)}`;
}

/** Of the snapshot that is agreed to and published: the rules, and what they name. A version is short enough to be found twice; this is not. */
export const policyDigest = (files: readonly PolicyFile[], { groups, labels }: PolicyNames): string =>
  createHash("sha256")
    .update(JSON.stringify([pairsOf(files), groups, labels]), "utf8")
    .digest("hex");
