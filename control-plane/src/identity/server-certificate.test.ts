import assert from "node:assert/strict";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, it, type TestContext } from "node:test";
import { connect, type PeerCertificate } from "node:tls";
import { once } from "node:events";
import { Server } from "@grpc/grpc-js";
import { pino } from "pino";
import { ManualTime } from "../application/testing/manual-time.ts";
import { CA_LIFETIME_MS, CertificateAuthority, SERVER_CERTIFICATE_LIFETIME_MS } from "./certificate-authority.ts";
import { CERTIFICATE_CHECK_MS, RENEW_BEFORE_END_MS, ServerCertificate } from "./server-certificate.ts";

/** What a listener presents, to whoever trusts the CA. */
async function presented(port: number, ca: string): Promise<PeerCertificate> {
  const socket = connect({ port, host: "127.0.0.1", servername: "localhost", ca, ALPNProtocols: ["h2"] });
  await once(socket, "secureConnect");
  const certificate = socket.getPeerCertificate();
  socket.destroy();
  return certificate;
}

/** With TLS 1.3 a client hears of that when it reads. */
async function refusesStrangers(port: number, ca: string): Promise<void> {
  const socket = connect({ port, host: "127.0.0.1", servername: "localhost", ca, ALPNProtocols: ["h2"] });
  await assert.rejects(once(socket, "data"), /certificate required/u);
}

async function listening(t: TestContext, certificate: ServerCertificate, options: { readonly mutual?: boolean } = {}): Promise<number> {
  const server = new Server();
  t.after(() => server.forceShutdown());
  return new Promise((resolve, reject) => {
    server.bindAsync("127.0.0.1:0", certificate.grpcCredentials(options), (error, port) => (error === null ? resolve(port) : reject(error)));
  });
}

describe("the certificate of the listeners", () => {
  /** It begins so long ago that what is renewed within the test is valid by the clock of the machine, which TLS goes by. */
  async function setUp(t: TestContext, failing: { renewal: boolean } = { renewal: false }, caMadeDaysBefore = 0) {
    const folder = mkdtempSync(join(tmpdir(), "sallyport-server-certificate-"));
    t.after(() => rmSync(folder, { recursive: true }));
    const begin = Date.now() - 210 * CERTIFICATE_CHECK_MS;
    const time = new ManualTime(new Date(begin).toISOString());
    await CertificateAuthority.open(join(folder, "pki"), { clock: { now: () => new Date(begin - caMadeDaysBefore * CERTIFICATE_CHECK_MS) } });
    const ca = await CertificateAuthority.open(join(folder, "pki"), { clock: time });
    const lines: string[] = [];
    const log = pino({ level: "info" }, { write: (line: string) => void lines.push(line) });
    const issuing = {
      caPem: ca.caPem,
      issueServer: (names: readonly string[]) => (failing.renewal ? Promise.reject(new Error("the disk is full")) : ca.issueServer(names)),
    };
    const certificate = await ServerCertificate.issue({ ca: issuing, names: ["localhost"], clock: time, scheduler: time, log });
    t.after(() => certificate.close());
    /** Lets so many days pass, one look after the other. */
    const pass = async (days: number): Promise<void> => {
      for (let day = 0; day < days; day++) {
        time.advance(CERTIFICATE_CHECK_MS);
        await new Promise((resolve) => setImmediate(resolve));
        await certificate.idle();
      }
    };
    return { certificate, ca, time, lines, pass };
  }
  const daysUntilRenewal = Math.ceil((SERVER_CERTIFICATE_LIFETIME_MS - RENEW_BEFORE_END_MS) / CERTIFICATE_CHECK_MS);

  it("is renewed halfway to its end, for each listener that is there, without a restart (S1, S2)", async (t) => {
    const { certificate, ca, pass } = await setUp(t);
    const [plain, mutual] = [await listening(t, certificate), await listening(t, certificate, { mutual: true })];
    const first = await presented(plain, ca.caPem);
    assert.equal((await presented(mutual, ca.caPem)).serialNumber, first.serialNumber);
    await refusesStrangers(mutual, ca.caPem);
    const context = certificate.secureContext;
    await pass(daysUntilRenewal - 1);
    assert.equal((await presented(plain, ca.caPem)).serialNumber, first.serialNumber);
    await pass(1);
    const renewed = await presented(plain, ca.caPem);
    assert.notEqual(renewed.serialNumber, first.serialNumber);
    assert.ok(new Date(renewed.valid_to) > new Date(first.valid_to));
    assert.equal((await presented(mutual, ca.caPem)).serialNumber, renewed.serialNumber);
    assert.notEqual(certificate.secureContext, context);
    await refusesStrangers(mutual, ca.caPem);
  });

  it("stays as it is while it cannot be renewed, says so each day, and is renewed when it can be", async (t) => {
    const failing = { renewal: false };
    const { certificate, ca, lines, pass } = await setUp(t, failing);
    const port = await listening(t, certificate);
    const first = await presented(port, ca.caPem);
    failing.renewal = true;
    await pass(daysUntilRenewal + 2);
    assert.equal(lines.filter((line) => line.includes("could not be renewed")).length, 3);
    assert.equal((await presented(port, ca.caPem)).serialNumber, first.serialNumber);
    failing.renewal = false;
    await pass(1);
    assert.notEqual((await presented(port, ca.caPem)).serialNumber, first.serialNumber);
  });

  it("warns half a year before the CA itself ends", async (t) => {
    const { lines, pass } = await setUp(t, undefined, CA_LIFETIME_MS / CERTIFICATE_CHECK_MS - 182);
    const warnings = (): number => lines.filter((line) => line.includes("CA ends soon")).length;
    await pass(1);
    assert.equal(warnings(), 0);
    await pass(2);
    assert.notEqual(warnings(), 0);
  });
});
