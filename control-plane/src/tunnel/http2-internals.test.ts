import assert from "node:assert/strict";
import { readFile } from "node:fs/promises";
import { createRequire } from "node:module";
import { describe, it } from "node:test";
import { Server } from "@grpc/grpc-js";
import { Connections, prepareListener } from "./http2-internals.ts";

describe("the private fields of grpc-js", () => {
  it("are those of the version that this was written for", async () => {
    const manifest: unknown = JSON.parse(await readFile(createRequire(import.meta.url).resolve("@grpc/grpc-js/package.json"), "utf8"));
    assert.equal(typeof manifest === "object" && manifest !== null && "version" in manifest && manifest.version, "1.14.7");
  });

  it("are refused loudly when they have moved", () => {
    const moved = new Server();
    Reflect.deleteProperty(moved, "http2Servers");
    assert.throws(() => prepareListener(moved, 1 << 24, 1_000), /keeps its HTTP\/2 servers elsewhere/u);
    assert.throws(() => new Connections().watch(new Server(), 1 << 24, 10), /keeps its HTTP\/2 servers elsewhere/u, "not bound, or bound elsewhere");
  });
});
