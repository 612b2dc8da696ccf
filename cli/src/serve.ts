import type { Command } from "commander";
import { runForeground } from "./processes.ts";

export function serveVerb(program: Command): void {
  program
    .command("serve")
    .description("run the control plane; configured by SALLYPORT_* variables (docs/reference/config.md)")
    .option("--print-config", "print the configuration, without secrets, and exit")
    .action(async ({ printConfig }: { printConfig?: boolean }) => {
      process.exitCode = await runForeground("control-plane", printConfig === true ? ["--print-config"] : []);
    });
}

export function agentVerb(program: Command): void {
  const agent = program.command("agent").description("run an edge agent, inside the private network");
  agent
    .command("join")
    .argument("<token>", "from `sallyport token create --join NAME`; `-` reads it from standard input, so that no process list shows it")
    .description("enrol this machine: makes a key here, and has its certificate signed")
    .action(async (token: string) => {
      process.exitCode = await runForeground("edge-agent", ["join", token]);
    });
  agent
    .command("run")
    .option("--print-config", "print the configuration, without secrets, and exit")
    .description("serve the resources of the agent's configuration; listens on nothing")
    .action(async ({ printConfig }: { printConfig?: boolean }) => {
      process.exitCode = await runForeground("edge-agent", ["run", ...(printConfig === true ? ["--print-config"] : [])]);
    });
}
