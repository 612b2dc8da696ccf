import { SallyportError } from "@sallyport/proto/errors";
import type { Purpose } from "../../domain/decision.ts";
import { statedBy } from "./facts/settings.ts";
import { isAsciiSafe } from "./text-reading.ts";
import { purposeAtStart } from "./session-purpose.ts";

/** Ours, not the target's: who and what. */
const own = new Set(["user", "database", "password"]);

/** Settings that a client may bring along; anything that changes who acts or how SQL is read is not among them. */
const carried = new Set([
  "application_name",
  "bytea_output",
  "client_encoding",
  "client_min_messages",
  "datestyle",
  "default_transaction_deferrable",
  "default_transaction_isolation",
  "default_transaction_read_only",
  "extra_float_digits",
  "geqo",
  "idle_in_transaction_session_timeout",
  "idle_session_timeout",
  "intervalstyle",
  "jit",
  "lock_timeout",
  "search_path",
  "statement_timeout",
  "tcp_user_timeout",
  "timezone",
]);

const OPTION = /^(?:-c\s*|--)([A-Za-z_][\w.-]*)=((?:\\.|[^\s\\])*)$/s;

/**
 * The startup parameters that go on to the target. Fails with `feature.unsupported` on one that we do not carry, and names
 * it, rather than leaving it out in silence.
 */
export const carriedParameters = (parameters: ReadonlyMap<string, string>): Record<string, string> => readStartup(parameters).carried;

/** With what the client says about why it connects, which is for us. */
export function readStartup(parameters: ReadonlyMap<string, string>): { readonly carried: Record<string, string>; readonly purpose: Purpose } {
  const result: Record<string, string> = {};
  const stated = new Map<string, string>();
  const take = (name: string, value: string): void => {
    if (statedBy.has(name.toLowerCase())) stated.set(name, value);
    else result[allowed(name)] = value;
  };
  for (const [name, value] of parameters) {
    const key = name.toLowerCase();
    if (own.has(key) || key.startsWith("_pq_.")) continue;
    if (key === "replication" && /^(false|off|no|0)$/i.test(value)) continue;
    if (key === "options") {
      for (const [option, setting] of parseOptions(value)) take(option, setting);
    } else {
      take(key, value);
    }
  }
  const encoding = result["client_encoding"];
  // psql's "auto" comes as the encoding it stands for; an encoding whose bytes can hide a quote cannot be judged.
  if (encoding !== undefined && !isAsciiSafe(encoding)) {
    throw new SallyportError(
      "feature.unsupported",
      `The gateway does not carry the client encoding "${encoding}": its bytes can be read in more than one way. Use UTF8.`,
      { parameter: "client_encoding" },
    );
  }
  return { carried: result, purpose: purposeAtStart(stated) };
}

function allowed(name: string): string {
  const key = name.toLowerCase();
  if (carried.has(key)) return key;
  throw new SallyportError("feature.unsupported", `The gateway does not carry the startup parameter "${name}".`, { parameter: name });
}

/** `-c name=value` and `--name=value`, white space apart, backslash escapes (PostgreSQL, "options"). */
function parseOptions(options: string): readonly [string, string][] {
  const words = options.match(/(?:\\.|[^\s\\])+/gs) ?? [];
  const settings: [string, string][] = [];
  for (let i = 0; i < words.length; i++) {
    const word = words[i] === "-c" ? `-c${words[++i] ?? ""}` : (words[i] ?? "");
    const match = OPTION.exec(word);
    if (match?.[1] === undefined)
      throw new SallyportError("feature.unsupported", `The gateway does not carry the startup option "${word}".`, { parameter: "options" });
    settings.push([match[1].replaceAll("-", "_"), (match[2] ?? "").replaceAll(/\\(.)/gs, "$1")]);
  }
  return settings;
}
