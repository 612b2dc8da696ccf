import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { hostOf } from "./client-address.ts";

describe("the address that policy looks at", () => {
  it("is without the port that sockets and the record have, and IPv4 where it is that", () => {
    const known = {
      "192.0.2.1": "192.0.2.1",
      "192.0.2.1:54321": "192.0.2.1",
      "::1": "::1",
      "::1:5432": "::1:5432", // an address by itself, which is why one with a port is in brackets
      "[::1]:54321": "::1",
      "::ffff:192.0.2.1": "192.0.2.1",
      "::ffff:192.0.2.1:54321": "192.0.2.1",
    };
    for (const [address, host] of Object.entries(known)) assert.equal(hostOf(address), host, address);
  });

  it("is not known of what is no address", () => {
    for (const address of ["", ":", "example.com", "example.com:1", "(forgotten)", "1.2.3"]) assert.equal(hostOf(address), undefined, address);
  });
});
