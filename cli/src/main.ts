#!/usr/bin/env node
import { exitStatus } from "./exit-status.ts";
import { createProgram } from "./program.ts";

// Every mistake on the command line is a misuse; help is not.
await createProgram((helped) => process.exit(helped ? exitStatus.done : exitStatus.misused)).parseAsync();
