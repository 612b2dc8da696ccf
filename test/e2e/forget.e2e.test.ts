import assert from "node:assert/strict";
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as pause } from "node:timers/promises";
import { test } from "node:test";
import { openPolicy } from "../support/policies.ts";
import { isType, type Person, Stack } from "../support/stack.ts";
import { type Ran, ran } from "./command-line.ts";
import { failure } from "./failure.ts";

const POLL_MS = 50;
const NAME = "zebulon.quartz";
const LAPTOP = "quartz-laptop-app";

interface Erasure {
  readonly id: string;
  readonly state: string;
  readonly identityId: string;
  readonly subject: string;
}

const filesIn = (folder: string): string[] =>
  readdirSync(folder, { withFileTypes: true, recursive: true })
    .filter((entry) => entry.isFile())
    .map((entry) => join(entry.parentPath, entry.name));

const filesWith = (folder: string, text: string): string[] => filesIn(folder).filter((file) => readFileSync(file, "latin1").includes(text));

test("a person whom two administrators agree to forget is in no file any more, and the record still verifies", async (t) => {
  const stack = await Stack.start(t, { policy: openPolicy, env: { SALLYPORT_LOG_LEVEL: "trace" } });
  const cli = (person: Person, ...args: readonly string[]): Promise<Ran> => ran(stack, person, ...args);
  const json = async <T>(person: Person, ...args: string[]): Promise<T> => JSON.parse((await cli(person, ...args, "--json")).out) as T;
  const putIdentity = (id: string, groups: string[]) => stack.call("admin", (api) => api.identities.putIdentity({ id, kind: "human", groups }));
  const newToken = async (): Promise<string> => {
    const request = { identityId: NAME, ttlSeconds: 600, note: "for the quartz laptop" };
    return (await stack.call("admin", (api) => api.identities.createToken(request))).token;
  };

  for (const id of ["bo", "cy"]) await putIdentity(id, ["approvers", "auditors", "admins"]);
  await putIdentity(NAME, ["engineers"]);
  const password = await newToken();
  const client = await stack.connect("ana", { user: NAME, password, application_name: LAPTOP });
  await client.query("select 1 as one");
  const opened = await stack.event("session-", isType("SessionOpened"));
  assert.equal((await json<readonly { readonly identity: string }[]>("bo", "sessions", "list")).at(0)?.identity, NAME);

  await t.test("while nobody forgets them, names are readable for those who may, and nowhere in the ledger's file", async () => {
    const files = filesWith(stack.dataDir, NAME).map((file) => file.slice(stack.dataDir.length + 1));
    assert.ok(files.every((file) => /^(subject-keys|read-models\.db)/u.test(file)) && files.includes("subject-keys"), files.join());
    const events = await stack.events(`identity-${NAME}`);
    assert.deepEqual(
      events.map(({ type }) => type),
      ["IdentityProvisioned", "TokenIssued"],
    );
  });

  const bundle = join(stack.folder, "before.bundle");
  const sealed = join(stack.folder, "sealed.bundle");
  await t.test("a bundle opens them for whoever it is for, or does not", async () => {
    await stack.event("log-", isType("CheckpointSigned"));
    assert.equal((await cli("bo", "audit", "export", "--identity", NAME, "-o", bundle)).status, 0);
    const verified = await cli("bo", "audit", "verify", bundle);
    assert.deepEqual([verified.status, /Personal +\d+ values/u.test(verified.out)], [0, true], verified.out);
    const shown = (await cli("bo", "audit", "show", bundle)).out;
    assert.match(shown, new RegExp(`"application":"${LAPTOP}"`, "u"));
    assert.equal((await cli("bo", "audit", "export", "--sealed", "-o", sealed)).status, 0);
    assert.equal((await cli("bo", "audit", "verify", sealed)).status, 0);
    assert.ok(!readFileSync(sealed, "latin1").includes(NAME) && !(await cli("bo", "audit", "show", sealed)).out.includes(NAME));
  });

  let erasure: Erasure | undefined;
  await t.test("it takes a reason, and two others than whoever asks", async () => {
    assert.equal((await cli("ana", "forget", NAME, "--reason", "left")).status, 1);
    assert.equal((await cli("admin", "forget", "nobody", "--reason", "left")).status, 1);
    assert.equal((await cli("admin", "forget", NAME, "--reason", "they asked us to")).status, 0);
    assert.match((await cli("admin", "forget", NAME, "--reason", "again")).err, /asked already/u);
    [erasure] = await json<readonly Erasure[]>("admin", "forget", "list");
    assert.ok(erasure?.state === "pending" && erasure.identityId === NAME);
    assert.match((await cli("admin", "forget", "approve", erasure.id)).err, /approval\.self/u);
    assert.match((await cli("bo", "forget", "approve", erasure.id.slice(0, 8))).out, /1 of 2/u);
    assert.match((await cli("bo", "forget", "approve", erasure.id)).out, /1 of 2/u);
    await client.query("select 2 as still_here");
  });

  await t.test("the second one carries it out: the session ends, the token is void", async () => {
    assert.match((await cli("cy", "forget", "approve", erasure?.id ?? "", "--comment", "checked")).out, /destroyed/u);
    await stack.event(
      opened.stream,
      isType("SessionEnded", ({ data }) => data.cause === "identity_disabled"),
    );
    const refused = await failure(stack.connect("ana", { user: NAME, password }));
    assert.equal(refused[0], "28P01");
  });

  const pseudonym = `forgotten-${erasure?.subject ?? ""}`;
  const isForgotten = async (): Promise<void> => {
    // The lists are made anew in their own time; the test's time-out bounds it.
    while ([NAME, LAPTOP].some((text) => filesWith(stack.dataDir, text).some((file) => file.includes("read-models")))) await pause(POLL_MS);
    for (const text of [NAME, LAPTOP]) assert.deepEqual(filesWith(stack.dataDir, text), []);
    const sessions = await json<readonly { readonly identity: string; readonly application: string }[]>("bo", "sessions", "list");
    assert.deepEqual(
      sessions.filter(({ identity }) => identity === pseudonym).map(({ application }) => application),
      ["(forgotten)"],
    );
    for (const { stream, data, metadata } of await stack.events("session-", "identity-", "erasure-"))
      assert.ok(!JSON.stringify({ stream, data, metadata }).includes(NAME));
    const listed = await stack.call("admin", (api) => api.identities.listIdentities({}));
    assert.deepEqual(
      listed.identities.filter(({ id }) => id === pseudonym || id === NAME).map(({ id, disabled }) => [id, disabled]),
      [[pseudonym, true]],
    );
    assert.match((await cli("bo", "search", "one")).out, new RegExp(pseudonym.slice(0, 20), "u"));
  };

  await t.test("nothing that the product keeps or says has their name, also after a restart", async () => {
    await isForgotten();
    await stack.killControlPlane();
    await stack.startControlPlane();
    await stack.linked();
    await isForgotten();
    assert.ok(!stack.controlPlane.stdout.includes(NAME), "the log");
  });

  await t.test("what they did is still there and proven, and says by whose decision who did it is gone", async () => {
    const { sessionId } = opened.data;
    assert.match((await cli("bo", "sessions", "replay", sessionId)).out, /select 1 as one/u);
    assert.equal((await cli("bo", "audit", "verify", stack.ledgerFile)).status, 0);
    for (const file of [bundle, sealed]) assert.equal((await cli("bo", "audit", "verify", file)).status, 0, "a bundle of before");
    const after = join(stack.folder, "after.bundle");
    assert.equal((await cli("bo", "audit", "export", "-o", after)).status, 0);
    const verified = await cli("bo", "audit", "verify", after);
    assert.equal(verified.status, 0, verified.out);
    assert.match(verified.out, new RegExp(`Forgotten +subject ${erasure?.subject}; asked for at .* by admin, agreed to by bo and cy`, "u"));
    assert.ok(!(await cli("bo", "audit", "show", after)).out.includes(NAME));
    const explained = await cli("bo", "explain", sessionId, "1");
    assert.equal(explained.status, 0, explained.out);
  });

  await t.test("somebody new may have the name, and is somebody else", async () => {
    await putIdentity(NAME, []);
    const events = await stack.events(`identity-${NAME}`);
    assert.deepEqual(
      events.map(({ type }) => type),
      ["IdentityProvisioned"],
    );
  });
});
