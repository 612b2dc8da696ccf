import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { SallyportError } from "@sallyport/proto/errors";
import { parseConnectionString } from "./connection-string.ts";

describe("a connection string", () => {
  it("names a node, several, or one to ask for the others", () => {
    assert.deepEqual(parseConnectionString("esdb://one?tls=false").hosts, [{ address: "one", port: 2113 }]);
    assert.deepEqual(parseConnectionString("esdb://one:1,two:2,[::1]:3/").hosts, [
      { address: "one", port: 1 },
      { address: "two", port: 2 },
      { address: "[::1]", port: 3 },
    ]);
    const { discover, hosts, tls } = parseConnectionString("esdb+discover://cluster.example");
    assert.deepEqual([discover, hosts.length, tls], [true, 1, true]);
  });

  it("takes options as the official client spells them, in any case", () => {
    const parsed = parseConnectionString(
      "esdb://a?tlsCAFile=%2Fetc%2Fca.crt&user_cert_file=c&userKeyFile=k&NodePreference=readOnlyReplica&keepAliveInterval=20000&maxDiscoverAttempts=3",
    );
    assert.equal(parsed.caFile, "/etc/ca.crt");
    assert.deepEqual([parsed.userCertFile, parsed.userKeyFile], ["c", "k"]);
    assert.equal(parsed.nodePreference, "read_only_replica");
    assert.deepEqual([parsed.keepAliveInterval, parsed.maxDiscoverAttempts], [20_000, 3]);
  });

  it("decodes what is special in a user and a password", () => {
    assert.deepEqual(parseConnectionString("esdb://a%40b:p%3A%2F%40%3F@host").credentials, { username: "a@b", password: "p:/@?" });
  });

  it("is refused when it cannot be meant, without a word of it in the message", () => {
    const bad = [
      "",
      "http://user:hunter2@host",
      "esdb://",
      "esdb://user:hunter2@",
      "esdb://user:hunter2@host:port",
      "esdb://user:hunter2@host:70000",
      "esdb://user:hunter2@host?hunter2=1",
      "esdb://user:hunter2@host?tls",
      "esdb://user:hunter2@host?tls=hunter2",
      "esdb://user:hunter2@host?tls=false",
      "esdb://user:hunter2@host?tlsVerifyCert=false",
      "esdb://user:hunter2@host?throwOnAppendFailure=false",
      "esdb://user:hunter2@host?nodePreference=hunter2",
      "esdb://user:hunter2@host?gossipTimeout=hunter2",
      "esdb://user:hunter2@host?userCertFile=hunter2",
      "esdb://user:hunter2%zz@host",
      "esdb://user:hunter2@x@host",
    ];
    for (const text of bad) {
      assert.throws(
        () => parseConnectionString(text),
        (error) => error instanceof SallyportError && error.code === "config.invalid" && !JSON.stringify([error.message, error.details]).includes("hunter2"),
        text,
      );
    }
  });
});
