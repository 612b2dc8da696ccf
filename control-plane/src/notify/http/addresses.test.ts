import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { isLoopbackHost, mayReach, requireReachable } from "./addresses.ts";

const inside = [
  "10.1.2.3",
  "172.31.0.1",
  "192.168.1.1",
  "169.254.169.254",
  "100.64.0.1",
  "0.0.0.0",
  "224.0.0.1",
  "fd00::1",
  "fe80::1",
  "::",
  "::ffff:10.0.0.1",
];
const outside = ["93.184.215.14", "172.32.0.1", "8.8.8.8", "2606:2800:21f:cb07:6820:80da:af6b:8b2c", "::ffff:8.8.8.8"];
const thisMachine = ["127.0.0.1", "127.8.8.8", "::1", "::ffff:127.0.0.1"];

describe("where a channel may be sent to", () => {
  it("is the public network, and a private one only when the channel says so", () => {
    for (const address of inside)
      assert.deepEqual([mayReach("hooks.example.com", address, false), mayReach("hooks.example.com", address, true)], [false, true], address);
    for (const address of outside) assert.ok(mayReach("hooks.example.com", address, false), address);
  });

  it("is this machine only when the URL itself names it, so that no name in the DNS can lead here", () => {
    for (const address of thisMachine) {
      assert.deepEqual([mayReach("hooks.example.com", address, true), mayReach("localhost", address, false)], [false, true], address);
    }
    for (const host of ["localhost", "127.0.0.1", "[::1]"]) assert.ok(isLoopbackHost(host), host);
    for (const host of ["localhost.example.com", "127.0.0.1.nip.io", "[fd00::1]", "example.com"]) assert.ok(!isLoopbackHost(host), host);
  });

  it("is decided for an address in the URL as well, for which no name is looked up", () => {
    assert.throws(() => requireReachable("169.254.169.254", false), { name: "AddressRefused" });
    assert.throws(() => requireReachable("[fd00::1]", false), { name: "AddressRefused" });
    requireReachable("[::1]", false);
    requireReachable("example.com", false);
  });
});
