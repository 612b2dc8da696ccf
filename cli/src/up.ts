import { join } from "node:path";
import type { Command } from "commander";
import { exitStatus } from "./exit-status.ts";
import { explain } from "./failure.ts";
import { welcome } from "./up/welcome.ts";

/** The same wish to stop may come twice within this. */
const SIGNAL_ECHO_MS = 2_000;

export function upVerb(program: Command): void {
  program
    .command("up")
    .description("everything on this machine: a control plane, an agent, and a PostgreSQL with data to try it on")
    .option("--dir <path>", "where its data stays", ".sallyport")
    .action(async ({ dir }: { dir: string }) => {
      const say = (line: string): void => void process.stdout.write(`${line}\n`);
      let stopping: number | undefined;
      const stopped = Promise.withResolvers<void>();
      // A third of what this program would load, and of no use to its other verbs. A signal before that finds nothing to stop.
      const { startDemo } = await import("./up/demo.ts");
      const demo = startDemo(dir, say);
      const onSignal = (): void => {
        // npm passes on what the terminal or a service manager has sent to the whole group: that is not the second Ctrl-C.
        if (stopping !== undefined && performance.now() - stopping > SIGNAL_ECHO_MS) process.exit(exitStatus.refused);
        stopping ??= performance.now();
        stopped.resolve();
      };
      process.on("SIGINT", onSignal).on("SIGTERM", onSignal);
      try {
        const running = await demo;
        welcome(running, say);
        const ended = await Promise.race([stopped.promise.then(() => undefined), running.firstExit]);
        if (ended !== undefined) {
          process.stderr.write(`The ${ended} ended by itself; its log: ${join(dir, "logs")}\n`);
          process.exitCode = exitStatus.refused;
        }
        say("\nStopping: sessions are told, and what is left is recorded. Ctrl-C again cuts.");
        await running.stop();
        say("Stopped. The data stays; `npm start` goes on from it.");
      } catch (error) {
        process.stderr.write(`${explain(error)}\n`);
        process.exitCode = exitStatus.refused;
      }
      process.exit();
    });
}
