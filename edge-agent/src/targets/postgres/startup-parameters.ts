/**
 * Startup parameters are settings that take effect at login, unseen by any policy that reads commands.
 * The gateway filters them already; this is the same rule once more on the side that holds the credential.
 *
 * P1. The resource alone says who logs in and where: user, database, password.
 * P2. No replication connection: it streams whole tables as raw WAL, past every mask.
 * P3. No change of role, by name or inside `options`: `SET ROLE` is a command, and commands are decided on.
 * P4. No protocol extension (`_pq_.`): the relay would not know what it changes.
 */
const reserved = new Set(["user", "database", "password", "replication", "role", "session_authorization", "options"]);

/** PostgreSQL reads names without regard to case, and `-` in a command-line switch as `_`. */
const canonical = (name: string): string => name.toLowerCase().replaceAll("-", "_");

const isAllowed = (name: string): boolean => {
  const key = canonical(name);
  return name !== "" && !reserved.has(key) && !key.startsWith("_pq_.");
};

export function startupParameters(
  resource: { readonly user: string; readonly database: string },
  requested: Readonly<Record<string, string>>,
): Map<string, string> {
  const parameters = new Map<string, string>();
  for (const [name, value] of Object.entries(requested)) {
    if (isAllowed(name) && !name.includes("\0") && !value.includes("\0")) parameters.set(name, value);
  }
  const options = allowedOptions(requested["options"] ?? "");
  if (options !== "") parameters.set("options", options);
  return parameters.set("user", resource.user).set("database", resource.database);
}

/** Of the server's command-line switches only settings pass: `-c name=value`, `-cname=value`, `--name=value`. */
function allowedOptions(options: string): string {
  const words = splitOptions(options);
  const settings: string[] = [];
  for (let i = 0; i < words.length; i++) {
    const word = words[i] ?? "";
    const setting = word === "-c" ? words[++i] : /^(?:-c|--)(.+)$/s.exec(word)?.[1];
    const [name = "", ...value] = setting?.split("=") ?? [];
    if (value.length > 0 && isAllowed(name)) settings.push(`-c ${escapeOption(`${name}=${value.join("=")}`)}`);
  }
  return settings.join(" ");
}

/** Words are parted by white space; a backslash takes the next character as it is (PostgreSQL, pg_split_opts). */
function splitOptions(options: string): string[] {
  const words = options.match(/(?:\\.|[^\s\\])+/gs) ?? [];
  return words.map((word) => word.replace(/\\(.)/gs, "$1"));
}

const escapeOption = (word: string): string => word.replace(/[\s\\]/g, "\\$&");
