import { readFileSync } from "node:fs";
import { relative } from "node:path";
import { bold, dim } from "../io.ts";
import type { Profile } from "../profile.ts";
import type { RunningDemo } from "./demo.ts";

/** What to do next, to be pasted into a second terminal. */
export function welcome(demo: RunningDemo, say: (line: string) => void): void {
  const [host, port] = demo.postgresAddress.split(/:(?=\d+$)/);
  const near = (path: string): string => relative(process.cwd(), path) || path;
  const psql = ({ identity, tokenFile }: Profile): string =>
    `PGPASSWORD=$(cat ${near(tokenFile)}) psql "host=${host} port=${port} dbname=${demo.resource} user=${identity} sslmode=verify-full sslrootcert=${near(demo.caFile)}"`;
  const as = (name: string): string => `npx sallyport --as ${name}`;
  const { resource, onRequest } = demo;
  say(`
${bold("Sallyport is up.")} In another terminal, from this folder:

  ${bold("ana")}, an engineer     ${dim(`token ${readFileSync(demo.engineer.tokenFile, "utf8").trim()}`)}
    ${psql(demo.engineer)}
  ${bold("bo")}, who approves     ${dim(`token ${readFileSync(demo.approver.tokenFile, "utf8").trim()}`)}
    ${psql(demo.approver)}

${bold("Six things to try")} ${dim("(the same in psql; exec needs none)")}

  1. A read, its sensitive columns masked before they leave the agent:
       ${as("ana")} exec ${resource} "select name, email, ssn, phone from customers limit 3"
  2. A command that is held for another person. It waits:
       ${as("ana")} exec ${resource} "drop table orders"
     and in a third terminal, let exactly it run, once (or: approvals deny ID):
       ${as("bo")} approvals list
       ${as("bo")} approvals approve ID
  3. A dangerous one, refused whatever anybody approves:
       ${as("ana")} exec ${resource} "copy customers to program 'cat'"
  4. A DELETE that forgot its WHERE, held as well. Ctrl-C withdraws it:
       ${as("ana")} exec ${resource} "delete from payments"
  5. A resource that is open to nobody, until somebody asks and another agrees:
       ${as("ana")} exec ${onRequest} "select 1"
       ${as("ana")} request ${onRequest} --for 30m --reason "a bug"
       ${as("bo")} grants approve ID
  6. All of it, from the record:
       ${as("bo")} sessions list
       ${as("bo")} sessions replay last

Data and logs stay in ${near(demo.directory)}. Ctrl-C stops everything.`);
}
