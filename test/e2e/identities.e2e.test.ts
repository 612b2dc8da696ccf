import assert from "node:assert/strict";
import { once } from "node:events";
import { readFileSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { before, describe, it } from "node:test";
import { isType, type Person, Stack } from "../support/stack.ts";
import { suiteCleanup } from "../support/suite-cleanup.ts";

interface Listed {
  readonly id: string;
  readonly note: string;
}

describe("identities and their tokens, on the command line", () => {
  const cleanup = suiteCleanup();
  let stack: Stack;
  before(async () => {
    stack = await Stack.start(cleanup);
  });

  const run = async (status: number, person: Person, ...args: readonly string[]): Promise<string> => {
    const process = stack.cli(person, ...args);
    assert.deepEqual(await process.exited, { status, signal: null }, process.stdout + process.stderr);
    return process.stdout + process.stderr;
  };
  const tokensOf = async (person: Person, ...args: readonly string[]): Promise<readonly Listed[]> =>
    JSON.parse(await run(0, person, "--json", "token", "list", ...args)) as Listed[];

  it("are listed: identities to administrators, tokens to their owner and to administrators, secrets to nobody", async () => {
    assert.match(await run(0, "admin", "identities"), /^ana\s+human\s+active\s+engineers$/mu);
    assert.match(await run(1, "ana", "identities"), /auth\.forbidden/u);
    const secret = (await run(0, "ana", "token", "create", "--note", "laptop", "--ttl", "15m")).trim();
    const [first] = await tokensOf("ana");
    assert.ok(first?.note === "laptop" && secret.includes(first.id), "the next to expire comes first");
    assert.deepEqual(await tokensOf("admin", "--identity", "ana"), await tokensOf("ana"));
    assert.ok(!(await run(0, "admin", "token", "list", "--identity", "ana")).includes(secret));
    assert.match(await run(1, "ana", "token", "list", "--identity", "bo"), /auth\.forbidden/u);
    assert.match(await run(1, "admin", "token", "list", "--identity", "nobody"), /identity\.not_found/u);
  });

  it("are not made where they cannot be kept", async () => {
    const earlier = await tokensOf("ana");
    assert.match(await run(2, "ana", "token", "create", "--out", join(stack.folder, "nowhere", "a.token")), /no such file or directory/u);
    assert.deepEqual(await tokensOf("ana"), earlier);
  });

  it("do not cost the one before when they are refused", async () => {
    const file = join(stack.folder, "kept.token");
    writeFileSync(file, "the one before", { mode: 0o644 });
    assert.match(await run(2, "ana", "token", "create", "--ttl", "9999d", "--out", file), /input\.invalid/u);
    assert.equal(readFileSync(file, "utf8"), "the one before");
    assert.equal(statSync(file).mode & 0o777, 0o600, "closed before there is a token that could not be kept in it");
    const { tokenId } = JSON.parse(await run(0, "ana", "--json", "token", "create", "--ttl", "15m", "--out", file)) as { readonly tokenId: string };
    assert.match(readFileSync(file, "utf8"), new RegExp(`^\\S+_${tokenId}_\\S+\\n$`, "u"));
    assert.equal(statSync(file).mode & 0o777, 0o600, "nobody else reads it, whoever could read the one before");
  });

  it("a token is revoked by its owner or an administrator, and by nobody else", async () => {
    const id = (await tokensOf("ana")).find(({ note }) => note === "laptop")?.id ?? "";
    assert.match(await run(1, "bo", "token", "revoke", id), /auth\.forbidden/u);
    assert.match(await run(1, "bo", "token", "revoke", "0123456789abcdef"), /auth\.forbidden/u, "nor is it told which exist");
    await run(0, "ana", "token", "revoke", id);
    assert.ok(!(await tokensOf("ana")).some((token) => token.id === id));
  });

  it("change their groups, all at once, and never their kind", async () => {
    assert.match(await run(0, "admin", "identities", "put", "dora", "--group", "guests", "engineers"), /^dora is in engineers, guests\.$/mu);
    assert.match(await run(0, "admin", "identities", "put", "dora"), /^dora is in no group\.$/mu);
    assert.match(await run(2, "admin", "identities", "put", "dora", "--kind", "machine"), /stays one/u);
    assert.match(await run(2, "admin", "identities", "put", "dora", "--kind", "robot"), /human or machine/u);
    assert.match(await run(1, "ana", "identities", "put", "ana", "--group", "admins"), /auth\.forbidden/u);
  });

  it("somebody who is disabled is let in no more, for good, and loses their sessions; nobody disables themselves", async () => {
    const { token } = await stack.token("robot");
    const client = await stack.connect("robot", { password: token });
    const ended = once(client, "error") as Promise<[{ code: string }]>;
    assert.match(await run(1, "ana", "identities", "disable", "robot", "--reason", "no"), /auth\.forbidden/u);
    assert.match(await run(1, "admin", "identities", "disable", "admin", "--reason", "tired"), /Somebody else has to disable you/u);
    assert.match(await run(1, "admin", "identities", "disable", "nobody", "--reason", "gone"), /identity\.not_found/u);
    await run(0, "admin", "identities", "disable", "robot", "--reason", "the pipeline is retired");
    assert.equal((await ended)[0].code, "57P01");
    await assert.rejects(stack.connect("robot", { password: token }), { code: "28P01" });
    const { data, metadata } = await stack.event("identity-", isType("IdentityDisabled"));
    assert.deepEqual([data.identityId, data.reason], ["robot", "the pipeline is retired"]);
    assert.deepEqual(metadata["actor"], { kind: "human", id: "admin" });
    assert.match(await run(0, "admin", "identities"), /^robot\s+machine\s+disabled/mu);
    assert.match(await run(1, "admin", "token", "create", "--identity", "robot"), /auth\.forbidden.*disabled/su);
  });
});
