import { SallyportError } from "@sallyport/proto/errors";
import { dial } from "./dial.ts";
import { type AgentIdentity, saveIdentity, validityOf } from "./identity-store.ts";
import { type LinkOptions, runLink } from "./link.ts";
import type { LinkOutcome } from "./outcome.ts";
import { keepRenewed } from "./renew.ts";
import { supervise, type SupervisorOptions, type SupervisorOutcome } from "./supervisor.ts";

export interface RunAgentOptions extends Omit<LinkOptions, "client">, Pick<SupervisorOptions, "backoff" | "wait"> {
  readonly identity: AgentIdentity;
  readonly stateDir: string;
}

/** An enrolled agent at work: one link at a time, its certificate kept fresh, until it is drained or sent away for good. */
export async function runAgent({ identity, stateDir, ...options }: RunAgentOptions): Promise<SupervisorOutcome> {
  let current = identity;
  const replace = async (next: AgentIdentity): Promise<void> => {
    await saveIdentity(stateDir, next);
    current = next;
    options.attestor.use(next);
  };

  const attempt = async (): Promise<LinkOutcome> => {
    if (validityOf(current).notAfter <= new Date()) {
      const message = "The agent's certificate has expired while it was away. Enrol it anew.";
      return { kind: "fatal", error: new SallyportError("auth.expired", message) };
    }
    const client = dial(current);
    const linked = new AbortController();
    const welcomed: LinkOptions["welcomed"] = (welcome) => {
      void keepRenewed({ client, current: () => current, replace, signal: linked.signal, log: options.log });
      options.welcomed?.(welcome);
    };
    const outcome = await runLink({ ...options, client, welcomed });
    linked.abort();
    return outcome;
  };
  return supervise({ ...options, attempt });
}
