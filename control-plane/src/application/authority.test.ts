import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { createCedarCompiler } from "../policy/compiler.ts";
import { policyStanding } from "./authority.ts";

const compiler = createCedarCompiler();
const naming = (action: string) => [{ name: "a.cedar", text: `@id("a") permit (principal, action == Action::"${action}", resource);` }];

describe("a set that does not load here", () => {
  it("names an action wherever the language lets it, however it is spelt", () => {
    for (const spelling of ["replay", String.raw`\x72eplay`, String.raw`\u{72}eplay`]) {
      const files = naming(spelling);
      assert.ok(compiler.compile("p1", files).speaksOf.has("replay"), spelling);
      const standing = policyStanding(undefined, { version: "p1", files });
      assert.ok(standing.kind === "unloadable" && standing.namesOwn.has("replay"), spelling);
    }
    const other = policyStanding(undefined, { version: "p1", files: naming("open") });
    assert.ok(other.kind === "unloadable" && other.namesOwn.size === 0);
  });
});
