import { spawnSync } from "node:child_process";
import { globSync } from "node:fs";
import { basename, join } from "node:path";
import { argv, execPath, exit, stderr } from "node:process";
import { fileURLToPath } from "node:url";
import { benchPostgres } from "./postgres/bench.ts";

const root = fileURLToPath(new URL("../..", import.meta.url));

/** Every `<name>.bench.ts` is a program of its own: those of whole parts are here, those of one file beside it. */
const programs = new Map(
  globSync(["test/bench/*.bench.ts", "{proto,control-plane,edge-agent}/src/**/*.bench.ts"], { cwd: root })
    .toSorted()
    .map((file) => [basename(file, ".bench.ts"), join(root, file)]),
);

const usage = `usage: npm run bench -- pg [--seconds N] [--rounds N] [--clients 1,8,32] [--copy-mib N] [--out FILE]
       npm run bench -- ${[...programs.keys()].join(" | ")}`;

const [what = "", ...args] = argv.slice(2);
const program = programs.get(what);
if (what === "pg") await benchPostgres(args);
else if (program === undefined) {
  stderr.write(`${usage}\n`);
  exit(2);
} else {
  // Room for the garbage of a busy relay, as the command line gives to both programs.
  const { status } = spawnSync(execPath, ["--max-semi-space-size=64", program, ...args], { stdio: "inherit" });
  exit(status ?? 1);
}
