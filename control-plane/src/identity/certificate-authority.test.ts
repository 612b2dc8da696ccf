import assert from "node:assert/strict";
import { createPrivateKey, webcrypto, X509Certificate } from "node:crypto";
import { mkdtemp, readdir, rm, stat, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, describe, it } from "node:test";
import { SallyportError } from "@sallyport/proto/errors";
import { AGENT_CERTIFICATE_LIFETIME_MS, agentIdOf, BACKDATED_MS, CertificateAuthority, MAX_CERTIFICATE_REQUEST_BYTES } from "./certificate-authority.ts";
import { Pkcs10CertificateRequestGenerator } from "@peculiar/x509";

const hasCode = (code: string) => (error: unknown) => error instanceof SallyportError && error.code === code;

async function request(namedCurve = "P-256"): Promise<{ csr: Buffer; keys: webcrypto.CryptoKeyPair }> {
  const keys = await webcrypto.subtle.generateKey({ name: "ECDSA", namedCurve }, true, ["sign", "verify"]);
  const csr = await Pkcs10CertificateRequestGenerator.create({ name: "CN=somebody else", keys, signingAlgorithm: { name: "ECDSA", hash: "SHA-256" } });
  return { csr: Buffer.from(csr.rawData), keys };
}

describe("the certificate authority", () => {
  let root: string;
  let directory: string;
  let ca: CertificateAuthority;
  const now = new Date("2026-05-01T12:00:00.000Z");
  const clock = { now: () => now };

  before(async () => {
    root = await mkdtemp(join(tmpdir(), "sallyport-ca-"));
    directory = join(root, "ca");
    ca = await CertificateAuthority.open(directory, { clock });
  });
  after(() => rm(root, { recursive: true }));

  it("is made on the first start, its key readable by its owner only, and reloaded afterwards", async () => {
    assert.equal((await stat(join(directory, "ca.key"))).mode & 0o777, 0o600);
    assert.deepEqual((await readdir(directory)).toSorted(), ["ca.crt", "ca.key"]);
    const again = await CertificateAuthority.open(directory, { clock });
    assert.equal(again.caFingerprint, ca.caFingerprint);
    const { csr } = await request();
    assert.ok(new X509Certificate((await again.signAgent(csr, "a1")).der).verify(new X509Certificate(ca.caPem).publicKey));
  });

  it("says its fingerprint as the SHA-256 of its certificate", () => {
    assert.equal(ca.caFingerprint, new X509Certificate(ca.caPem).fingerprint256.replaceAll(":", "").toLowerCase());
    assert.ok(new X509Certificate(ca.caPem).ca);
  });

  it("gives an agent a day, client authentication only, and its id as the one name", async () => {
    const { csr } = await request();
    const signed = await ca.signAgent(csr, "9f3c-agent");
    const certificate = new X509Certificate(signed.der);
    assert.equal(certificate.subjectAltName, "URI:spiffe://sallyport/agent/9f3c-agent");
    assert.equal(agentIdOf(certificate.subjectAltName), "9f3c-agent");
    assert.deepEqual(certificate.keyUsage, ["1.3.6.1.5.5.7.3.2"]);
    assert.equal(certificate.subject, undefined, "the name in the request is not taken over");
    assert.equal(certificate.ca, false);
    assert.equal(signed.notAfter.getTime(), now.getTime() + AGENT_CERTIFICATE_LIFETIME_MS);
    assert.equal(signed.notBefore.getTime(), now.getTime() - BACKDATED_MS);
    assert.equal(signed.serial.length, 32);
    assert.equal(signed.fingerprint, certificate.fingerprint256.replaceAll(":", "").toLowerCase());
  });

  it("gives no serial twice", async () => {
    const { csr } = await request();
    const serials = await Promise.all(Array.from({ length: 20 }, async () => (await ca.signAgent(csr, "a1")).serial));
    assert.equal(new Set(serials).size, 20);
  });

  it("signs a listener for names and addresses, and hands the CA along in the chain", async () => {
    const { certPem, keyPem } = await ca.issueServer(["localhost", "127.0.0.1"]);
    const leaf = new X509Certificate(certPem);
    assert.ok(leaf.checkHost("localhost") !== undefined && leaf.checkIP("127.0.0.1") !== undefined);
    assert.deepEqual(leaf.keyUsage, ["1.3.6.1.5.5.7.3.1"]);
    assert.ok(leaf.checkPrivateKey(createPrivateKey(keyPem)));
    assert.ok(certPem.endsWith(ca.caPem));
    assert.equal(agentIdOf(leaf.subjectAltName), undefined);
  });

  it("refuses a request that does not prove possession of its key", async () => {
    const { csr } = await request();
    const last = csr.length - 1;
    csr[last] = (csr[last] ?? 0) ^ 1;
    await assert.rejects(ca.checkRequest(csr), hasCode("input.invalid"));
    await assert.rejects(ca.signAgent(csr, "a1"), hasCode("input.invalid"));
  });

  it("refuses requests that are empty, too long, not requests, or for another kind of key", async () => {
    for (const bad of [Buffer.alloc(0), Buffer.alloc(MAX_CERTIFICATE_REQUEST_BYTES + 1), Buffer.from("not one"), (await request("P-384")).csr]) {
      await assert.rejects(ca.signAgent(bad, "a1"), hasCode("input.invalid"));
    }
  });

  it("reads an agent's id out of a verified name only when it is the only one and well-formed", () => {
    for (const name of [
      undefined,
      "",
      "DNS:a1",
      "URI:spiffe://sallyport/agent/",
      "URI:spiffe://sallyport/agent/a, DNS:b",
      "URI:spiffe://other/agent/a",
      "DNS:x, URI:spiffe://sallyport/agent/a",
    ]) {
      assert.equal(agentIdOf(name), undefined, name);
    }
  });

  it("refuses to start on half a CA, on another CA's key, and on garbage, instead of making a new one", async () => {
    const cases: readonly [string, (folder: string) => Promise<void>][] = [
      ["half", (folder) => rm(join(folder, "ca.key"))],
      ["garbage", (folder) => writeFile(join(folder, "ca.crt"), "garbage")],
      ["foreign", async (folder) => writeFile(join(folder, "ca.key"), (await ca.issueServer(["x"])).keyPem)],
    ];
    for (const [name, harm] of cases) {
      const folder = join(root, name);
      await CertificateAuthority.open(folder);
      await harm(folder);
      await assert.rejects(CertificateAuthority.open(folder), hasCode("config.invalid"), name);
    }
  });
});
