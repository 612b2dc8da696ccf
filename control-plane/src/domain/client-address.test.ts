import assert from "node:assert/strict";
import { it } from "node:test";
import { addressOf } from "./client-address.ts";

it("the address of a client is without its port, and of its own family", () => {
  for (const [endpoint, address] of [
    ["10.1.2.3:5432", "10.1.2.3"],
    ["::1:5432", "::1"],
    ["fe80::1:2:5432", "fe80::1:2"],
    ["::ffff:10.1.2.3:5432", "10.1.2.3"],
    ["", ""],
  ] as const)
    assert.equal(addressOf(endpoint), address);
});
