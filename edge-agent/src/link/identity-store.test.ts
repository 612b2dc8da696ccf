import assert from "node:assert/strict";
import { webcrypto } from "node:crypto";
import { mkdtemp, readdir, rm, stat, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, describe, it } from "node:test";
import { SallyportError } from "@sallyport/proto/errors";
import { newCertificateRequest } from "./certificate-request.ts";
import { type AgentIdentity, IDENTITY_FILE, loadIdentity, saveIdentity, validityOf } from "./identity-store.ts";
import { parseAddress } from "./pinned-authority.ts";
import { X509CertificateGenerator } from "@peculiar/x509";

const isDamaged = (error: unknown): boolean => error instanceof SallyportError && error.code === "config.invalid" && error.cause === undefined;

describe("the identity store", () => {
  let root: string;
  let identity: AgentIdentity;

  before(async () => {
    root = await mkdtemp(join(tmpdir(), "sallyport-identity-"));
    const keys = await webcrypto.subtle.generateKey({ name: "ECDSA", namedCurve: "P-256" }, true, ["sign", "verify"]);
    const dates = { notBefore: new Date("2026-01-01T00:00:00Z"), notAfter: new Date("2026-01-02T00:00:00Z") };
    const certPem = (await X509CertificateGenerator.createSelfSigned({ name: "CN=a", keys, ...dates })).toString("pem");
    const { keyPem } = await newCertificateRequest();
    identity = { agentId: "id", agentName: "a", apiAddress: "h:1", tunnelAddress: "h:2", caPem: certPem, certPem, keyPem, maskKey: "AAAA" };
  });
  after(() => rm(root, { recursive: true }));

  it("gives back what was saved, in one file that its owner alone may read", async () => {
    const folder = join(root, "new", "agent");
    assert.equal(await loadIdentity(folder), undefined);
    await saveIdentity(folder, identity);
    await saveIdentity(folder, { ...identity, agentName: "b" });
    assert.deepEqual(await loadIdentity(folder), { ...identity, agentName: "b" });
    assert.deepEqual(await readdir(folder), [IDENTITY_FILE]);
    assert.equal((await stat(join(folder, IDENTITY_FILE))).mode & 0o777, 0o600);
    assert.deepEqual(validityOf(identity).notAfter, new Date("2026-01-02T00:00:00Z"));
  });

  it("survives what a crash in the middle of a save leaves behind", async () => {
    const folder = join(root, "crashed");
    await saveIdentity(folder, identity);
    await writeFile(join(folder, `${IDENTITY_FILE}.new`), "half of a n");
    assert.deepEqual(await loadIdentity(folder), identity);
    await saveIdentity(folder, identity);
    assert.deepEqual(await readdir(folder), [IDENTITY_FILE]);
  });

  it("refuses a damaged file without quoting it", async () => {
    const folder = join(root, "damaged");
    for (const content of ["", "{", "{}", JSON.stringify({ ...identity, certPem: "x" }), JSON.stringify({ ...identity, extra: 1 })]) {
      await saveIdentity(folder, identity);
      await writeFile(join(folder, IDENTITY_FILE), content);
      await assert.rejects(loadIdentity(folder), isDamaged);
    }
  });
});

describe("an address in a join token", () => {
  it("is a host and a port", () => {
    assert.deepEqual(parseAddress("gateway.example.org:7444"), { host: "gateway.example.org", port: 7444 });
    assert.deepEqual(parseAddress("[::1]:7444"), { host: "::1", port: 7444 });
    for (const bad of ["", "host", "host:", "host:0", "host:99999", ":1", "a b:1"]) {
      assert.throws(
        () => parseAddress(bad),
        (error) => error instanceof SallyportError && error.code === "join.invalid",
        bad,
      );
    }
  });
});
