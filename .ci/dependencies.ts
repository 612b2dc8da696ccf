import { readFileSync } from "node:fs";
import { join } from "node:path";
import { isDeepStrictEqual } from "node:util";

interface Manifest {
  readonly workspaces?: readonly string[];
  readonly dependencies?: Readonly<Record<string, string>>;
  readonly devDependencies?: Readonly<Record<string, string>>;
  readonly optionalDependencies?: Readonly<Record<string, string>>;
}

const kinds = ["dependencies", "devDependencies", "optionalDependencies"] as const;

const REFERENCE = join("docs", "reference", "dependencies.md");

/** What npm itself would refuse on: a `package.json` that was changed without the lockfile. */
export function lockfileProblems(): string {
  const { packages } = JSON.parse(readFileSync("package-lock.json", "utf8")) as { readonly packages: Readonly<Record<string, Manifest>> };
  const { workspaces = [] } = manifest("package.json");
  const stale = ["", ...workspaces].filter((folder) => {
    const wanted = manifest(join(folder, "package.json"));
    const locked = packages[folder] ?? {};
    return kinds.some((kind) => !isDeepStrictEqual({ ...wanted[kind] }, { ...locked[kind] }));
  });
  return stale.map((folder) => `package-lock.json is older than ${join(folder, "package.json")}: run \`npm install --package-lock-only\`.\n`).join("");
}

/** One version for all workspaces, and one line in the reference, for every package. Returns what is wrong. */
export function dependencyProblems(): string {
  const ranges = new Map<string, Set<string>>();
  const { workspaces = [], ...root } = manifest("package.json");
  for (const { dependencies, devDependencies, optionalDependencies } of [root, ...workspaces.map((folder) => manifest(join(folder, "package.json")))]) {
    for (const [name, range] of Object.entries({ ...dependencies, ...devDependencies, ...optionalDependencies })) {
      if (!name.startsWith("@sallyport/")) ranges.set(name, (ranges.get(name) ?? new Set()).add(range));
    }
  }
  const documented = new Set(Array.from(readFileSync(REFERENCE, "utf8").matchAll(/^\| `([^`]+)`/gmu), ([, name]) => name ?? ""));
  const problems = [
    ...[...ranges].filter(([, versions]) => versions.size > 1).map(([name, versions]) => `${name} is wanted in several versions: ${[...versions].join(", ")}.`),
    ...[...ranges.keys()].filter((name) => !documented.has(name)).map((name) => `${name} has no line in ${REFERENCE}.`),
    ...[...documented].filter((name) => !ranges.has(name)).map((name) => `${REFERENCE} names ${name}, which no workspace uses.`),
  ];
  return problems.map((problem) => `${problem}\n`).join("");
}

const manifest = (file: string): Manifest => JSON.parse(readFileSync(file, "utf8")) as Manifest;
