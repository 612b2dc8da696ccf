import assert from "node:assert/strict";
import { once } from "node:events";
import { mkdtempSync, rmSync } from "node:fs";
import { connect } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, it } from "node:test";
import { Server } from "@grpc/grpc-js";
import { CertificateAuthority } from "../identity/certificate-authority.ts";
import { listen, shutDown, tlsCredentials } from "./listen.ts";

describe("a listener that is shut down", () => {
  it("waits no longer than it says for whoever is connected and never speaks", { timeout: 30_000 }, async (t) => {
    const folder = mkdtempSync(join(tmpdir(), "listen-"));
    t.after(() => rmSync(folder, { recursive: true }));
    const ca = await CertificateAuthority.open(folder);
    const server = new Server();
    const port = await listen(server, tlsCredentials(await ca.issueServer(["localhost"])), { host: "127.0.0.1", port: 0 }, "The test");
    const silent = connect(port, "127.0.0.1");
    t.after(() => silent.destroy());
    await once(silent, "connect");
    await shutDown(server, 10);
    const late = connect(port, "127.0.0.1");
    await assert.rejects(once(late, "connect"), { code: "ECONNREFUSED" });
  });
});
