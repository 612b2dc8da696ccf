import assert from "node:assert/strict";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { env } from "node:process";
import { after, before, describe, it } from "node:test";
import { SallyportError } from "@sallyport/proto/errors";
import { MAX_CREDENTIAL_BYTES, readCredential } from "./credential.ts";

describe("readCredential", () => {
  let folder = "";
  const file = () => join(folder, "secret-path");
  before(async () => {
    folder = await mkdtemp(join(tmpdir(), "credential-"));
  });
  after(() => rm(folder, { recursive: true }));

  const refusal = (source: Parameters<typeof readCredential>[0]) =>
    readCredential(source, "customers").then(
      () => assert.fail("was accepted"),
      (error: unknown) => {
        assert.ok(error instanceof SallyportError && error.code === "target.credential", String(error));
        return error;
      },
    );

  it("takes off one trailing newline and no other space", async () => {
    for (const [written, read] of [
      ["pass\n", "pass"],
      ["pass\r\n", "pass"],
      ["pass\n\n", "pass\n"],
      [" pass ", " pass "],
    ] as const) {
      await writeFile(file(), written);
      assert.equal(await readCredential({ file: file() }, "customers"), read);
    }
  });

  it("sees a rotated file at the next read", async () => {
    await writeFile(file(), "old");
    assert.equal(await readCredential({ file: file() }, "customers"), "old");
    await writeFile(file(), "new");
    assert.equal(await readCredential({ file: file() }, "customers"), "new");
  });

  it("reads an environment variable, and refuses one that is not set", async () => {
    env["CREDENTIAL_TEST"] = "from-env\n";
    assert.equal(await readCredential({ env: "CREDENTIAL_TEST" }, "customers"), "from-env");
    delete env["CREDENTIAL_TEST"];
    assert.match((await refusal({ env: "CREDENTIAL_TEST" })).message, /customers.*not set/);
  });

  it("refuses a missing, an empty, an oversized and a NUL-bearing file, naming the resource and neither path nor content", async () => {
    const messages = [(await refusal({ file: file().concat("-absent") })).message];
    for (const content of ["", "\n", "hunter2\0", "hunter2".repeat(MAX_CREDENTIAL_BYTES)]) {
      await writeFile(file(), content);
      messages.push((await refusal({ file: file() })).message);
    }
    for (const message of messages) {
      assert.match(message, /"customers"/);
      assert.doesNotMatch(message, /hunter2|secret-path/);
    }
  });
});
