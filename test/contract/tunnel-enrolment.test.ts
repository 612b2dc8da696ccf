import assert from "node:assert/strict";
import { stat, readdir } from "node:fs/promises";
import { createServer } from "node:net";
import { once } from "node:events";
import { describe, it } from "node:test";
import { CertificateAuthority } from "@sallyport/control-plane/src/identity/certificate-authority.ts";
import { enrol, type EnrolOutcome } from "@sallyport/edge-agent/src/link/enrol.ts";
import { loadIdentity } from "@sallyport/edge-agent/src/link/identity-store.ts";
import { SallyportError } from "@sallyport/proto/errors";
import { decodeJoinToken, encodeJoinToken } from "@sallyport/proto/tunnel/join-token";
import { connected, startAgent, startControlPlane } from "../fault/tunnel-harness.ts";
import { tempDir } from "../support/temp-dir.ts";

const codeOf = (outcome: EnrolOutcome): string => (outcome.kind === "refused" ? outcome.error.code : outcome.kind);

describe("enrolment", () => {
  it("turns a join token into an identity of its own, and the agent links with it", async (t) => {
    const plane = await startControlPlane(t);
    const stateDir = `${tempDir(t, "state")}/agent`;
    const outcome = await enrol(await plane.joinToken("berlin"), stateDir);
    assert.ok(outcome.kind === "enrolled");
    assert.equal(outcome.identity.agentName, "berlin");
    assert.deepEqual(await loadIdentity(stateDir), outcome.identity);
    assert.deepEqual(await readdir(stateDir), ["identity.json"]);
    assert.equal((await stat(`${stateDir}/identity.json`)).mode & 0o777, 0o600);
    assert.equal(plane.agents.certificates.length, 1);
    startAgent(t, outcome.identity, { stateDir });
    await connected(plane, outcome.identity.agentId);
  });

  it("takes each token once", async (t) => {
    const plane = await startControlPlane(t);
    const token = await plane.joinToken("berlin");
    assert.equal(codeOf(await enrol(token, tempDir(t, "one"))), "enrolled");
    assert.equal(codeOf(await enrol(token, tempDir(t, "two"))), "join.invalid");
  });

  it("refuses an expired token, an unknown one, and one for another name", async (t) => {
    const plane = await startControlPlane(t);
    const good = decodeJoinToken(await plane.joinToken("berlin"));
    for (const token of [
      await plane.joinToken("berlin", -1),
      encodeJoinToken({ ...good, secret: "guessed" }),
      encodeJoinToken({ ...good, agentName: "paris" }),
      "rubbish",
    ]) {
      const stateDir = tempDir(t, "state");
      assert.equal(codeOf(await enrol(token, stateDir)), "join.invalid");
      assert.deepEqual(await readdir(stateDir), []);
    }
    assert.equal(codeOf(await enrol(encodeJoinToken(good), tempDir(t, "state"))), "enrolled", "none of them has used the good one up");
  });

  it("says nothing to a server whose CA is not the token's", async (t) => {
    const [plane, impostor] = [await startControlPlane(t), await startControlPlane(t)];
    const token = await plane.joinToken("berlin");
    const stateDir = tempDir(t, "state");
    const outcome = await enrol(encodeJoinToken({ ...decodeJoinToken(token), address: impostor.apiAddress }), stateDir);
    assert.ok(outcome.kind === "refused");
    assert.match(outcome.error.message, /another fingerprint/u);
    assert.equal(codeOf(await enrol(token, stateDir)), "enrolled");
  });

  it("does not fall for a server that shows the right CA certificate beside a leaf of its own", async (t) => {
    const plane = await startControlPlane(t);
    const other = await CertificateAuthority.open(`${tempDir(t, "other")}/ca`);
    const { certPem, keyPem } = await other.issueServer(["127.0.0.1"]);
    const leaf = certPem.slice(0, certPem.indexOf("-----END CERTIFICATE-----") + 26);
    const { createSecureServer } = await import("node:http2");
    const asked: string[] = [];
    const liar = createSecureServer({ cert: leaf + plane.ca.caPem, key: keyPem }, (request) => asked.push(request.url));
    liar.listen(0, "127.0.0.1");
    await once(liar, "listening");
    t.after(() => liar.close());
    const address = liar.address();
    assert.ok(address !== null && typeof address !== "string");
    const token = encodeJoinToken({ ...decodeJoinToken(await plane.joinToken("berlin")), address: `127.0.0.1:${address.port}` });
    assert.notEqual((await enrol(token, tempDir(t, "state"))).kind, "enrolled");
    assert.deepEqual(asked, []);
  });

  it("keeps the token good when the certificate request is refused or the ledger fails", async (t) => {
    const plane = await startControlPlane(t);
    const token = await plane.joinToken("berlin");
    plane.agents.failure = new SallyportError("ledger.unavailable", "The record cannot be written.");
    assert.equal(codeOf(await enrol(token, tempDir(t, "one"))), "ledger.unavailable");
    plane.agents.failure = undefined;
    assert.equal(codeOf(await enrol(token, tempDir(t, "two"))), "enrolled");
  });

  it("never overwrites an identity that is there", async (t) => {
    const plane = await startControlPlane(t);
    const stateDir = tempDir(t, "state");
    assert.equal(codeOf(await enrol(await plane.joinToken("berlin"), stateDir)), "enrolled");
    const before = await loadIdentity(stateDir);
    assert.equal(codeOf(await enrol(await plane.joinToken("paris"), stateDir)), "input.invalid");
    assert.deepEqual(await loadIdentity(stateDir), before);
  });

  it("says when nobody answers, or when what answers is not TLS", async (t) => {
    const plane = await startControlPlane(t);
    const good = decodeJoinToken(await plane.joinToken("berlin"));
    assert.equal((await enrol(encodeJoinToken({ ...good, address: "127.0.0.1:1" }), tempDir(t, "state"))).kind, "unreachable");
    const plain = createServer((socket) => socket.end("HTTP/1.1 400 Bad Request\r\n\r\n"));
    plain.listen(0, "127.0.0.1");
    await once(plain, "listening");
    t.after(() => plain.close());
    const address = plain.address();
    assert.ok(address !== null && typeof address !== "string");
    assert.equal((await enrol(encodeJoinToken({ ...good, address: `127.0.0.1:${address.port}` }), tempDir(t, "state"))).kind, "unreachable");
    assert.equal(codeOf(await enrol(encodeJoinToken({ ...good, address: "no port" }), tempDir(t, "state"))), "join.invalid");
  });
});
