import { argv, exit, stderr } from "node:process";
import { benchPostgres } from "./postgres/bench.ts";

const usage = `usage: npm run bench -- pg [--seconds N] [--rounds N] [--clients 1,8,32] [--copy-mib N] [--out FILE]`;

const [what, ...args] = argv.slice(2);
if (what === "pg") await benchPostgres(args);
else {
  stderr.write(`${usage}\n`);
  exit(2);
}
