import assert from "node:assert/strict";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, describe, it } from "node:test";
import { SallyportError } from "@sallyport/proto/errors";
import { parse } from "yaml";
import { z } from "zod";
import { environmentSchema, fileSchema, loadConfig, printConfig } from "./config.ts";

const customers = "  - { name: customers, protocol: postgres, host: db, database: customers, user: app";

describe("loadConfig", () => {
  let folder = "";
  before(() => {
    folder = mkdtempSync(join(tmpdir(), "config-"));
  });
  after(() => rmSync(folder, { recursive: true }));

  const load = (yaml: string, env: Record<string, string> = {}) => {
    const path = join(folder, "agent.yaml");
    writeFileSync(path, yaml);
    return loadConfig({ SALLYPORT_AGENT_CONFIG: path, ...env });
  };
  const problems = (yaml: string, env: Record<string, string> = {}): string => {
    try {
      load(yaml, env);
    } catch (error) {
      assert.ok(error instanceof SallyportError && error.code === "config.invalid", String(error));
      return error.message;
    }
    return assert.fail("was accepted");
  };

  it("fills in the defaults, verification of TLS among them, and counts an empty variable as unset", () => {
    const config = load(`resources:\n${customers} }\n`, { SALLYPORT_AGENT_STATE_DIR: "", SALLYPORT_LOG_LEVEL: "" });
    assert.deepEqual(config.resources, [
      { name: "customers", protocol: "postgres", host: "db", port: 5432, database: "customers", user: "app", tls: {}, labels: {} },
    ]);
    assert.match(config.stateDir, /\.sallyport\/agent$/);
    assert.equal(config.logLevel, "info");
  });

  it("starts relative paths at the folder of the file", () => {
    const [resource] = load(`resources:\n${customers}, password: { file: pw }, tls: { mode: verify-ca, caFile: ca.pem } }\n`).resources;
    assert.deepEqual(resource?.password, { file: join(folder, "pw") });
    assert.deepEqual(resource.tls, { mode: "verify-ca", caFile: join(folder, "ca.pem") });
  });

  it("reports every problem of environment and file at once", () => {
    const text = problems(
      `resources:\n${customers}, colour: red }\n${customers}, port: 70000, tls: { certFile: c } }\n  - { name: -x, protocol: postgres, host: /run/postgresql, database: d, user: u, tls: { mode: require } }\n  - { name: y, protocol: mysql }\n`,
      { SALLYPORT_AGENT_COLOUR: "red", SALLYPORT_AGENT_LOGIN_TIMEOUT_MS: "soon", SALLYPORT_LOG_LEVEL: "loud" },
    );
    const wanted = [
      "SALLYPORT_AGENT_COLOUR: unknown",
      "SALLYPORT_AGENT_LOGIN_TIMEOUT_MS",
      "SALLYPORT_LOG_LEVEL",
      "resources[0].colour: unknown",
      "resources[1].port",
      "resources[1].tls.certFile",
      "resources[2].name",
      "resources[3].protocol",
    ];
    for (const problem of wanted) assert.ok(text.includes(problem), `${problem} is not in:\n${text}`);
  });

  it("refuses two resources of one name, TLS on a Unix socket, an empty list and a missing file", () => {
    assert.match(problems(`resources:\n${customers} }\n${customers} }\n`), /\[1\]\.name: "customers" is already taken/);
    assert.match(
      problems("resources:\n  - { name: x, protocol: postgres, host: /run/postgresql, database: d, user: u, tls: { mode: require } }\n"),
      /no TLS on a Unix socket/,
    );
    assert.match(problems("resources: []\n"), /resources/);
    assert.match(problems("", { SALLYPORT_AGENT_CONFIG: join(folder, "absent.yaml") }), /cannot be read \(ENOENT\)/);
  });

  it("refuses a password in the file and repeats it nowhere, not even when the file is not YAML", () => {
    for (const password of ["hunter2", "{ value: hunter2 }", "{ file: a, env: hunter2! }"]) {
      const text = problems(`resources:\n${customers}, password: ${password} }\n`);
      assert.match(text, /resources\[0\]\.password: is either/);
      assert.doesNotMatch(text, /hunter2/);
    }
    const text = problems(`resources:\n  - password: "hunter2\n`);
    assert.match(text, /line \d+: not YAML/);
    assert.doesNotMatch(text, /hunter2/);
  });

  it("knows a variable of the agent's prefix that a resource keeps its password in", () => {
    const yaml = `resources:\n${customers}, password: { env: SALLYPORT_AGENT_DB_PASSWORD } }\n`;
    assert.deepEqual(load(yaml, { SALLYPORT_AGENT_DB_PASSWORD: "hunter2" }).resources[0]?.password, { env: "SALLYPORT_AGENT_DB_PASSWORD" });
  });

  it("prints neither a password nor where it is kept", () => {
    const yaml = `resources:\n${customers}, password: { env: SALLYPORT_AGENT_DB_PASSWORD } }\n`;
    const env = { SALLYPORT_AGENT_DB_PASSWORD: "hunter2" };
    const printed = printConfig(load(yaml, env), env);
    assert.match(printed, /host: db/);
    assert.doesNotMatch(printed, /hunter2|DB_PASSWORD/);
  });

  it("prints each setting, and where it came from", () => {
    const env = { SALLYPORT_AGENT_LOGIN_TIMEOUT_MS: "1234", SALLYPORT_LOG_LEVEL: "" };
    const config = load(`resources:\n${customers} }\n`, env);
    const printed = printConfig(config, env);
    assert.match(printed, /^SALLYPORT_AGENT_LOGIN_TIMEOUT_MS: 1234 # environment$/m);
    assert.match(printed, /^SALLYPORT_LOG_LEVEL: "info" # default$/m);
    assert.ok(printed.includes(`# from ${config.file}\n`));
    const parsed = parse(printed) as Record<string, unknown>;
    assert.deepEqual(Object.keys(parsed), [...Object.keys(environmentSchema.shape), "resources"]);
  });
});

describe("the configuration reference", () => {
  it("can be generated: every setting of the environment has a description", () => {
    for (const [key, setting] of Object.entries(environmentSchema.shape)) assert.notEqual(setting.description ?? "", "", key);
    z.toJSONSchema(fileSchema, { io: "input" });
  });
});
