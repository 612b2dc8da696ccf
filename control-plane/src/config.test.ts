import assert from "node:assert/strict";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, it } from "node:test";
import { SallyportError } from "@sallyport/proto/errors";
import { configSchema, loadConfig, printConfig } from "./config.ts";

const printed = (env: NodeJS.ProcessEnv): string => printConfig(loadConfig(env), env);

describe("the names that this server is reached by", () => {
  it("are host names and addresses, without ports", () => {
    const given = (advertised: string, further: string): readonly string[] =>
      loadConfig({ SALLYPORT_ADVERTISED_HOST: advertised, SALLYPORT_SERVER_NAMES: further }).serverNames;
    for (const name of ["gate.example.com", "gate_1", "10.0.0.1", "::1", "xn--bcher-kva.example"])
      assert.ok(given(name, `${name}, *.example.com`).includes(name));
    for (const name of ["gate.example.com:7443", "https://gate", "a b", "-x", "a..b", "*.example.com"])
      assert.throws(() => given(name, ""), { code: "config.invalid", message: /SALLYPORT_ADVERTISED_HOST/u });
    for (const names of [";;", "gate, https://gate", "gate:6432"])
      assert.throws(() => given("", names), { code: "config.invalid", message: /SALLYPORT_SERVER_NAMES/u });
  });
});

describe("printConfig", () => {
  it("prints each setting, and where it came from; an empty variable is a default", () => {
    const text = printed({ SALLYPORT_PG_PORT: "5433", SALLYPORT_HOST: "", SALLYPORT_SERVER_NAMES: "gate.example", PATH: "/bin" });
    const lines = text.split("\n");
    assert.ok(lines.includes("SALLYPORT_PG_PORT: 5433 # environment"));
    assert.ok(lines.includes('SALLYPORT_HOST: "127.0.0.1" # default'));
    assert.match(text, /^# names in the certificate: .*gate\.example/mu);
    assert.deepEqual(
      lines.flatMap((line) => /^(SALLYPORT_\w+):/u.exec(line)?.[1] ?? []),
      Object.keys(configSchema.shape),
    );
  });

  it("shows no user and password of a URL", () => {
    for (const password of ["hunter2", "hunter2/hunter2", "hunter2?a@b"]) {
      const text = printed({ SALLYPORT_LEDGER_URL: `esdb://admin:${password}@one.example:2113,two.example?tls=true` });
      assert.doesNotMatch(text, /admin|hunter2/u);
      assert.match(text, /:\/\/\(not shown\)@one\.example:2113,two\.example/u);
    }
  });

  it("shows no argument of a command", () => {
    const text = printed({ SALLYPORT_SIGNING_KEY: 'command:/usr/bin/token --pin "1234" #5678' });
    assert.match(text, /^SALLYPORT_SIGNING_KEY: "command:\/usr\/bin\/token \(not shown\)" # environment$/mu);
    assert.doesNotMatch(text, /1234|5678/u);
  });

  it("has no setting that is itself a secret: those are named by file", () => {
    // A file, or a command.
    const known = new Set(["SALLYPORT_SIGNING_KEY", "SALLYPORT_SIGNING_KEY_PREVIOUS"]);
    const secret = Object.keys(configSchema.shape).filter((name) => /(?:PASSWORD|SECRET|KEY|TOKEN)(?:_PREVIOUS)?$/u.test(name));
    assert.deepEqual(
      secret.filter((name) => !known.has(name)),
      [],
    );
  });
});

describe("the ledger's connection string", () => {
  const url = "esdb://gate:hunter2@one.example:2113";

  it("comes from the environment or from a file, and is printed without its user and password", () => {
    const folder = mkdtempSync(join(tmpdir(), "config-"));
    const file = join(folder, "url");
    writeFileSync(file, `${url}\n`);
    assert.equal(loadConfig({ SALLYPORT_LEDGER_URL_FILE: file }).ledgerUrl, url);
    rmSync(folder, { recursive: true });
    assert.equal(loadConfig({ SALLYPORT_LEDGER_URL: url }).ledgerUrl, url);
    assert.equal(loadConfig({}).ledgerUrl, undefined);
    assert.doesNotMatch(printed({ SALLYPORT_LEDGER_URL: url }), /gate:|hunter2/u);
  });

  it("is refused without a word of it, when it is none, when there are two, or when there is an endpoint beside it", () => {
    for (const env of [
      { SALLYPORT_LEDGER_URL: "http://gate:hunter2@one.example" },
      { SALLYPORT_LEDGER_URL: url, SALLYPORT_LEDGER_URL_FILE: "/no/such" },
      { SALLYPORT_LEDGER_URL: url, SALLYPORT_LEDGER_ENDPOINT_PORT: "2113" },
      { SALLYPORT_LEDGER_URL_FILE: "/no/such/file" },
    ])
      assert.throws(
        () => loadConfig(env),
        (error) => error instanceof SallyportError && error.code === "config.invalid" && !/hunter2/u.test(error.message),
      );
  });
});

describe("rules of retention", () => {
  it("are read at the start, and refused where nothing can be removed", () => {
    assert.deepEqual(loadConfig({ SALLYPORT_RETENTION: "recording=30d" }).retention, [{ category: "recording", keepSeconds: 30 * 86_400 }]);
    const refused = (error: unknown): boolean => error instanceof SallyportError && error.code === "config.invalid";
    assert.throws(() => loadConfig({ SALLYPORT_RETENTION: "identity=30d" }), refused);
    assert.throws(() => loadConfig({ SALLYPORT_RETENTION: "recording=30d", SALLYPORT_LEDGER_URL: "esdb://one.example:2113" }), refused);
    assert.deepEqual(loadConfig({ SALLYPORT_LEDGER_URL: "esdb://one.example:2113" }).retention, []);
  });
});
