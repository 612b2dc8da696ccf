import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { startupParameters } from "./startup-parameters.ts";

const login = { user: "app", database: "customers" };
const own = { user: "app", database: "customers" };
const sent = (requested: Record<string, string>) => Object.fromEntries(startupParameters(login, requested));

describe("startupParameters", () => {
  it("passes what the client asked for and logs in as the resource says", () => {
    assert.deepEqual(sent({ application_name: "psql", client_encoding: "UTF8", DateStyle: "ISO" }), {
      ...own,
      application_name: "psql",
      client_encoding: "UTF8",
      DateStyle: "ISO",
    });
  });

  it("strips every way to log in as somebody else, to replicate, to change role or to extend the protocol", () => {
    const hostile = {
      "user": "postgres",
      "database": "other",
      "password": "x",
      "replication": "true",
      "role": "admin",
      "Role": "admin",
      "session_authorization": "admin",
      "_pq_.x": "1",
      "": "x",
      "a": "b\0user\0postgres",
    };
    assert.deepEqual(sent(hostile), own);
  });

  it("passes settings inside options, however they are spelt, and nothing else", () => {
    const options = (text: string) => sent({ options: text })["options"];
    assert.equal(options("-c search_path=a,b --work-mem=1MB -cgeqo=off"), "-c search_path=a,b -c work-mem=1MB -c geqo=off");
    assert.equal(options("-c search_path=a\\ b\\\\c"), "-c search_path=a\\ b\\\\c");
    for (const hostile of [
      "-c role=admin",
      "-crole=admin",
      "--role=admin",
      "-c ROLE=admin",
      "--session-authorization=admin",
      "-\\c role=admin",
      "-c r\\ole=admin",
      "-d5",
      "-c",
      "-c role",
      "--",
    ]) {
      assert.equal(options(hostile), undefined, hostile);
    }
    assert.equal(options("-c geqo=off\t-c role=admin"), "-c geqo=off");
  });
});
