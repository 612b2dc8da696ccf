import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { identityStream } from "../domain/identity/identity.events.ts";
import { human } from "./testing/samples.ts";
import { admin, collect, fails, setStage, typesIn } from "./testing/stage.ts";

const from = "192.0.2.1:4711";

describe("signing in", () => {
  it("answers who it is, from any process that reads the ledger", async (t) => {
    const { app, restart } = await setStage(t);
    await app.identities.put({ ...human("ana"), groups: ["dba"] }, admin);
    const { token, tokenId, expiresAt } = await app.identities.issueToken("ana", 60, "laptop", admin);
    assert.match(token, /^sp_[0-9a-f]{16}_[A-Za-z0-9_-]{43}$/);
    const expected = { principal: { id: "ana", kind: "human", groups: ["dba"] }, tokenId, expiresAt };
    assert.deepEqual(await app.identities.authenticate(token, from), expected);
    assert.deepEqual(await (await restart()).identities.authenticate(token, from, "ana"), expected);
  });

  it("stores the token nowhere", async (t) => {
    const { app, ledger } = await setStage(t);
    await app.identities.put(human("ana"), admin);
    const { token } = await app.identities.issueToken("ana", 60, "", admin);
    const all = JSON.stringify((await collect(ledger.readAll())).map(({ data, metadata }) => [data, metadata]));
    assert.ok(all.includes("TokenIssued") || all.includes("tokenHash"));
    assert.ok(!all.includes(token.slice(-43)));
  });

  it("is refused with one changed character, a wrong name, a revoked token, a disabled identity, or anything else", async (t) => {
    const { app } = await setStage(t);
    await app.identities.put(human("ana"), admin);
    await app.identities.put(human("bo"), admin);
    const { token, tokenId } = await app.identities.issueToken("ana", 60, "", admin);
    const last = token.endsWith("A") ? "B" : "A";
    for (const wrong of ["", "sp_", "sp_x_y", `${token.slice(0, -1)}${last}`, `${token} `, token.replace(tokenId, "0".repeat(16)), "toString"]) {
      await assert.rejects(app.identities.authenticate(wrong, from), fails("auth.failed"), wrong);
    }
    await assert.rejects(app.identities.authenticate(token, from, "bo"), fails("auth.failed"));
    await app.identities.revokeToken(tokenId, admin);
    await assert.rejects(app.identities.authenticate(token, from), fails("auth.failed"));
    const again = await app.identities.issueToken("ana", 60, "", admin);
    assert.deepEqual(
      app.identities.tokensOf("ana").map(({ id }) => id),
      [again.tokenId],
    );
    await app.identities.disable("ana", "left", admin);
    await assert.rejects(app.identities.authenticate(again.token, from), fails("auth.failed"));
    assert.deepEqual(app.identities.tokensOf("ana"), [], "a token that lets nobody in is none to revoke");
  });

  it("is refused from the second on in which the token expires", async (t) => {
    const { app, time } = await setStage(t);
    await app.identities.put(human("ana"), admin);
    const { token } = await app.identities.issueToken("ana", 60, "", admin);
    time.advance(59_999);
    await app.identities.authenticate(token, from);
    time.advance(1);
    await assert.rejects(app.identities.authenticate(token, from), fails("auth.expired"));
    assert.deepEqual(app.identities.tokensOf("ana"), []);
  });

  it("that fails is on record for a known identity, at most once a second", async (t) => {
    const { app, ledger, time } = await setStage(t);
    await app.identities.put(human("ana"), admin);
    for (let i = 0; i < 5; i++) await assert.rejects(app.identities.authenticate("wrong", from, "ana"));
    time.advance(1_000);
    await assert.rejects(app.identities.authenticate("wrong", from, "ana"));
    await assert.rejects(app.identities.authenticate("wrong", from, "nobody"));
    assert.deepEqual(await typesIn(ledger, identityStream("ana")), ["IdentityProvisioned", "SignInFailed", "SignInFailed"]);
  });

  it("that fails is answered the same when the ledger is away", async (t) => {
    const { app, ledger } = await setStage(t);
    await app.identities.put(human("ana"), admin);
    ledger.line = "refuse";
    await assert.rejects(app.identities.authenticate("wrong", from, "ana"), fails("auth.failed"));
  });
});

describe("tokens", () => {
  it("have a lifetime within reason, and an identity that exists", async (t) => {
    const { app } = await setStage(t);
    await app.identities.put(human("ana"), admin);
    for (const ttl of [0, -1, 0.5, Number.NaN, 1e12]) await assert.rejects(app.identities.issueToken("ana", ttl, "", admin), fails("input.invalid"));
    await assert.rejects(app.identities.issueToken("nobody", 60, "", admin), fails("identity.not_found"));
    await assert.rejects(app.identities.revokeToken("0123456789abcdef", admin), fails("input.invalid"));
  });
});
