import assert from "node:assert/strict";
import { randomUUID } from "node:crypto";
import { existsSync, mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, it, type TestContext } from "node:test";
import { admin, setStage, silent, until } from "./application/testing/stage.ts";
import { bootstrap, BOOTSTRAP_IDENTITY } from "./bootstrap.ts";
import { identityStream } from "./domain/identity/identity.events.ts";

function tokenFileOf(t: TestContext): string {
  const folder = mkdtempSync(join(tmpdir(), "bootstrap-"));
  t.after(() => rmSync(folder, { recursive: true }));
  return join(folder, "token");
}

describe("the way in", () => {
  it("is a token of an administrator on an empty ledger, and no second one later", async (t) => {
    const { app } = await setStage(t);
    const tokenFile = tokenFileOf(t);
    await bootstrap(app.identities, tokenFile, "first", admin, silent);
    const { principal } = await app.identities.authenticate(readFileSync(tokenFile, "utf8").trim(), "192.0.2.1:1");
    assert.deepEqual([principal.id, principal.groups], [BOOTSTRAP_IDENTITY, ["admins"]]);
    rmSync(tokenFile);
    await bootstrap(app.identities, tokenFile, "first", admin, silent);
    assert.ok(!existsSync(tokenFile));
  });

  for (const when of ["first", "always"] as const) {
    it(`is shut while a later release's word on that administrator cannot be read, which keeps nobody from starting (${when})`, async (t) => {
      const { app, ledger } = await setStage(t);
      const tokenFile = tokenFileOf(t);
      await bootstrap(app.identities, tokenFile, when, admin, silent);
      const before = readFileSync(tokenFile, "utf8");
      const stream = identityStream(BOOTSTRAP_IDENTITY);
      const metadata = { $correlationId: "c", actor: admin.actor, schemaVersion: 1, at: "2026-11-22T10:00:00.000Z" };
      await ledger.append(stream, [{ id: randomUUID(), type: "SomethingNewer", data: {}, metadata }], 1n);
      await until("its stream is closed", () => app.live.closed.whyClosed(stream) !== undefined);
      await bootstrap(app.identities, tokenFile, when, admin, silent);
      assert.equal(readFileSync(tokenFile, "utf8"), before);
    });
  }
});
