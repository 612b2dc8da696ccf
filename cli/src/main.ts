#!/usr/bin/env node
import { exitStatus } from "./exit-status.ts";
import { createProgram } from "./program.ts";

// Whoever reads no further, as `head` does, has what they wanted.
process.stdout.on("error", (error: NodeJS.ErrnoException) => {
  if (error.code !== "EPIPE") throw error;
  process.exit();
});

// Every mistake on the command line is a misuse; help is not.
const program = createProgram((helped) => process.exit(helped ? exitStatus.done : exitStatus.misused), process.argv.includes("--json"));
await program.parseAsync();
