import { SallyportError } from "@sallyport/proto/errors";
import { FrameDecoder } from "@sallyport/proto/wire/postgres/frames";
import { backend } from "@sallyport/proto/wire/postgres/message-types";

/**
 * Sessions that policy holds to read-only transactions. The server's default makes them so, from the start: what a client
 * resets goes back to it. The server says when the default changes (since PostgreSQL 14), before it takes another command.
 */
const SETTING = "default_transaction_read_only";

/** The startup parameters of such a session; nothing of the client's stands beside ours, in whatever spelling. */
export function readOnlyParameters(parameters: ReadonlyMap<string, string>): Map<string, string> {
  const others = [...parameters].filter(([name]) => name.toLowerCase().replaceAll("-", "_") !== SETTING);
  return new Map([...others, [SETTING, "on"]]);
}

/** Fails with `target.refused` when the server has not said that it obeys: it is older than 14, or something between drops settings. */
export function requireReadOnly(greeting: Buffer, resource: string): void {
  const settings = new FrameDecoder(greeting.length)
    .push(greeting)
    .flatMap(({ type, payload }) => (type === backend.parameterStatus ? [settingOf(payload)] : []));
  if (settings.findLast(({ name }) => name === SETTING)?.value === "on") return;
  throw new SallyportError("target.refused", `Policy opens "${resource}" read-only, and its server does not say that it is. PostgreSQL 14 or later does.`, {
    resource,
  });
}

/** Of a ParameterStatus. Fails with `session.read_only` when it takes the session out of read-only transactions. */
export function holdReadOnly(payload: Buffer): void {
  const { name, value } = settingOf(payload);
  if (name === SETTING && value !== "on")
    throw new SallyportError("session.read_only", "Policy opened this session read-only, and the last command led out of that: the session is ended.");
}

function settingOf(payload: Buffer): { readonly name: string; readonly value: string } {
  const [name = "", value = ""] = payload.toString("utf8").split("\0");
  return { name, value };
}
