import assert from "node:assert/strict";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { before, describe, it } from "node:test";
import { FrameDecoder } from "@sallyport/proto/wire/postgres/frames";
import { encodeQuery } from "@sallyport/proto/wire/postgres/query";
import { testCertificate } from "../support/certificate.ts";
import { type Flavour, skipWithout } from "../support/postgres-server.ts";
import { freePort } from "../support/free-port.ts";
import { tempDir } from "../support/temp-dir.ts";
import { collectMessages } from "./postgres-target-channel.ts";
import { methods, openSession, PASSWORD, resourceOf, startTargetServer, suiteCleanup, type TargetServer } from "./postgres-target-server.ts";

for (const flavour of ["embedded18", "debian15"] as const satisfies Flavour[]) {
  describe(`login at PostgreSQL (${flavour})`, { skip: skipWithout(flavour) }, () => {
    const cleanup = suiteCleanup();
    let server: TargetServer;
    before(async () => {
      server = await startTargetServer(cleanup, flavour);
    });
    const userOf = (method: string) => `by_${method.split("-")[0]}`;
    const password = () => ({ file: server.passwordFile });

    const refusal = async (more: Record<string, unknown>): Promise<{ code: string; message: string; logged: string }> => {
      const { outcome, logged } = await openSession(resourceOf(server, more));
      assert.ok("code" in outcome, "was opened");
      assert.doesNotMatch(outcome.message, /127\.0\.0\.1|hunter2/);
      assert.doesNotMatch(logged.join(""), /hunter2/);
      return { ...outcome, logged: logged.join("") };
    };

    for (const method of methods) {
      it(`logs in by ${method} and answers queries`, async () => {
        const resource = resourceOf(server, { user: userOf(method), ...(method === "trust" ? {} : { password: password() }) });
        const { channel, outcome } = await openSession(resource, { open: { parameters: { application_name: "it", user: "postgres" } } });
        assert.ok("greeting" in outcome, JSON.stringify(outcome));
        assert.equal(outcome.transport, "plaintext");
        const greeting = new FrameDecoder(1 << 20).push(outcome.greeting);
        const types = greeting.map(({ type }) => String.fromCharCode(type)).join("");
        assert.match(types, /^[SN]{5,}Z$/, "settings, then ReadyForQuery, and no BackendKeyData");
        assert.ok(outcome.greeting.includes("application_name\0it\0"));

        const messages = collectMessages(channel);
        channel.write(encodeQuery("select current_user::text"));
        await channel.until(() => messages.some((message) => message.startsWith("Z")));
        assert.match(messages.join("|"), new RegExp(`\\|D.*${userOf(method)}\\|C`, "s"));
        channel.hangUp();
      });
    }

    it("passes the server's reason for a wrong password on, and never the password", async () => {
      const wrong = join(server.folder, "wrong");
      writeFileSync(wrong, "hunter2-wrong");
      for (const method of methods.slice(1)) {
        const { code, message } = await refusal({ user: userOf(method), password: { file: wrong } });
        assert.equal(code, "target.refused");
        assert.match(message, /password authentication failed.*28P01/);
      }
    });

    it("passes on that a database does not exist, and hides the agent's address that pg_hba.conf refused", async () => {
      assert.match((await refusal({ database: "absent" })).message, /database "absent" does not exist \(3D000\)/);
      assert.match((await refusal({ user: "nobody_known" })).message, /pg_hba.conf.*host "\[(?:address|host)\]".*\(28000\)/);
    });

    it("names the resource when its credential cannot be read or is missing", async () => {
      for (const more of [{ password: { file: join(server.folder, "absent") } }, {}]) {
        const { code, message } = await refusal({ user: "by_scram", ...more });
        assert.equal(code, "target.credential");
        assert.match(message, /"customers"/);
        assert.doesNotMatch(message, /absent/);
      }
    });

    it("reads the credential again at each login, so that a rotated password works without a restart", async () => {
      const rotated = join(server.folder, "rotated");
      writeFileSync(rotated, "old");
      assert.equal((await refusal({ user: "by_scram", password: { file: rotated } })).code, "target.refused");
      writeFileSync(rotated, PASSWORD);
      const { channel, outcome } = await openSession(resourceOf(server, { user: "by_scram", password: { file: rotated } }));
      assert.ok("greeting" in outcome);
      channel.hangUp();
    });

    it("says that a target which is not there is unreachable, and not where it would be", async () => {
      assert.deepEqual(await refusal({ port: await freePort() }).then(({ code, message }) => ({ code, message })), {
        code: "target.unreachable",
        message: 'Resource "customers" could not be reached: ECONNREFUSED.',
      });
    });

    describe("over TLS", () => {
      const ca = () => server.certificate.caFile;
      const logIn = (tls: Record<string, unknown>, more: Record<string, unknown> = {}) =>
        openSession(resourceOf(server, { user: "by_scram", password: password(), tls, ...more }));

      it("verifies chain and host name by default, and says how it is connected", async () => {
        const { channel, outcome, logged } = await logIn({ caFile: ca() }, { host: "localhost" });
        assert.ok("greeting" in outcome, JSON.stringify(outcome));
        assert.equal(outcome.transport, "TLSv1.3 TLS_AES_256_GCM_SHA384 verify-full");
        assert.doesNotMatch(logged.join(""), /weaker/);
        channel.hangUp();
      });

      it("refuses an authority that it does not know, in both verifying modes", async () => {
        const { caFile } = await testCertificate(tempDir(cleanup));
        for (const tls of [{ caFile }, { mode: "verify-ca", caFile }, {}]) {
          const { code, message } = await refusal({ host: "localhost", user: "by_scram", password: password(), tls });
          assert.equal(code, "target.refused");
          assert.match(message, /resource "customers" is not signed by an authority that the agent trusts \([A-Z_]+\)\./);
        }
      });

      it("refuses a certificate for another host, unless the mode says that the name does not count", async () => {
        const { code, message } = await refusal({ user: "by_scram", password: password(), tls: { caFile: ca() } });
        assert.equal(code, "target.refused");
        assert.match(message, /is not for the configured host/);
      });

      it("connects in the weaker modes, shows which, and warns at start", async () => {
        for (const tls of [{ mode: "verify-ca", caFile: ca() }, { mode: "require" }]) {
          const { channel, outcome, logged } = await logIn(tls);
          assert.ok("greeting" in outcome, JSON.stringify(outcome));
          assert.match(outcome.transport, new RegExp(`^TLSv1.3 .* ${tls.mode}$`));
          assert.match(logged.join(""), new RegExp(`"tls":"${tls.mode}".*weaker`));
          channel.hangUp();
        }
      });
    });
  });
}
