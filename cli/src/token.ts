import { appendFileSync, chmodSync, statSync, writeFileSync } from "node:fs";
import type { Command } from "commander";
import { Misuse } from "./exit-status.ts";
import { type Io, toJson } from "./io.ts";
import { instant, writeTable } from "./table.ts";
import { parseDuration, runVerb } from "./verb.ts";

export function tokenVerb(program: Command): void {
  const token = program.command("token").description("access tokens and join tokens; each is shown once");
  token
    .command("create")
    .description("create an access token, or with --join a join token for an agent")
    .option("--identity <id>", "whose token; default: yours")
    .option("--kind <kind>", "human or machine; with --group, creates the identity or changes its groups")
    .option("--group <name...>", "the identity's groups")
    .option("--join <agent>", "a join token for an agent of this name")
    .option("--ttl <duration>", "how long it lives, such as 15m or 8h", "8h")
    .option("--note <text>", "what it is for", "")
    .option("--out <file>", "write it to a file that only you can read, instead of the terminal")
    .action((options: TokenOptions, command: Command) =>
      runVerb(command, async ({ io, api, profile }) => {
        if (options.join !== undefined && (options.identity ?? options.kind ?? options.group) !== undefined)
          throw new Misuse("A join token is nobody's: --join goes without --identity, --kind and --group.");
        if (options.kind !== undefined && options.group === undefined) throw new Misuse("--kind goes with --group: it says what to create.");
        const client = api();
        const ttlSeconds = parseDuration(options.ttl);
        // Before there is a token that nobody would have. What is there stays until then: it may be the token that this one is to follow.
        if (options.out !== undefined) prepare(options.out);
        if (options.join !== undefined) {
          const { joinToken, expiresAt } = await client.agents.createJoinToken({ agentName: options.join, ttlSeconds });
          return deliver(io, { token: joinToken, expiresAt }, options.out);
        }
        const identityId = options.identity ?? profile().identity;
        if (options.group !== undefined) {
          await client.identities.putIdentity({ id: identityId, kind: options.kind ?? "human", groups: options.group });
        }
        const {
          tokenId,
          token: secret,
          expiresAt,
        } = await client.identities.createToken({
          identityId,
          ttlSeconds,
          note: options.note,
        });
        deliver(io, { tokenId, token: secret, expiresAt }, options.out);
      }),
    );
  token
    .command("list")
    .option("--identity <id>", "whose tokens; default: yours")
    .description("those that work now, without their secrets")
    .action((options: { readonly identity?: string }, command: Command) =>
      runVerb(command, async ({ io, api, profile }) => {
        const identityId = options.identity ?? profile().identity;
        const { tokens } = await api().identities.listTokens({ identityId });
        if (io.json) return io.out(toJson(tokens));
        const rows = tokens.map(({ id, expiresAt, note }) => [id, instant(expiresAt), note]);
        writeTable(io, ["TOKEN", "EXPIRES", "NOTE"], rows);
      }),
    );
  token
    .command("revoke")
    .argument("<tokenId>", "as `token list` shows it: the part between the underscores of a token")
    .description("end a token, yours or for administrators anybody's, and the sessions that it opened")
    .action((tokenId: string, _options, command: Command) =>
      runVerb(command, async ({ io, api }) => {
        await api().identities.revokeToken({ tokenId });
        io.out(io.json ? toJson({ tokenId, revoked: true }) : `Token ${tokenId} is revoked.`);
      }),
    );
}

interface TokenOptions {
  readonly identity?: string;
  readonly kind?: string;
  readonly group?: string[];
  readonly join?: string;
  readonly ttl: string;
  readonly note: string;
  readonly out?: string;
}

function prepare(file: string): void {
  appendFileSync(file, "", { mode: 0o600 });
  // One that was there keeps its mode otherwise. Whatever is no file, such as /dev/stdout, is not ours to close to others.
  if (statSync(file).isFile()) chmodSync(file, 0o600);
}

function deliver(
  io: Io,
  { token, ...about }: { readonly tokenId?: string; readonly token: string; readonly expiresAt: Date | undefined },
  file: string | undefined,
): void {
  if (file !== undefined) writeFileSync(file, `${token}\n`);
  const shown = file === undefined ? { token } : { file };
  io.out(io.json ? toJson({ ...shown, ...about }) : (file ?? token));
}
