import assert from "node:assert/strict";
import { describe, it } from "node:test";
import fc from "fast-check";
import { SallyportError } from "../errors.ts";
import { decodeJoinToken, encodeJoinToken } from "./join-token.ts";

const token = { address: "gateway.example.org:7400", caFingerprint: "ab".repeat(32), agentName: "berlin-1", secret: "s3cr3t-value" };
const isInvalid = (error: unknown): boolean => error instanceof SallyportError && error.code === "join.invalid";

describe("a join token", () => {
  it("carries address, CA fingerprint, name and secret", () => {
    assert.match(encodeJoinToken(token), /^sjt1\.[\w-]+$/u);
    assert.deepEqual(decodeJoinToken(encodeJoinToken(token)), token);
    assert.deepEqual(decodeJoinToken(` ${encodeJoinToken(token)}\n`), token);
  });

  it("is refused when a field is missing, empty or of another kind", () => {
    const encoded = (fields: unknown) => `sjt1.${Buffer.from(JSON.stringify(fields)).toString("base64url")}`;
    const whole = { a: "h:1", f: "ab".repeat(32), n: "n", s: "s" };
    assert.doesNotThrow(() => decodeJoinToken(encoded(whole)));
    for (const key of ["a", "f", "n", "s"]) {
      for (const value of ["", 1, null, undefined]) assert.throws(() => decodeJoinToken(encoded({ ...whole, [key]: value })), isInvalid);
    }
    assert.throws(() => decodeJoinToken(encoded({ ...whole, f: "AB".repeat(32) })), isInvalid);
    assert.throws(() => decodeJoinToken(encoded([])), isInvalid);
  });

  it("is refused with join.invalid, whatever was pasted, and never quoted", () => {
    fc.assert(
      fc.property(
        fc.oneof(
          fc.string(),
          fc.string().map((s) => `sjt1.${s}`),
          fc.base64String().map((s) => `sjt1.${s}`),
        ),
        (text) => {
          assert.throws(() => decodeJoinToken(text), isInvalid);
        },
      ),
    );
    const broken = encodeJoinToken(token).slice(0, -9);
    assert.throws(
      () => decodeJoinToken(broken),
      (error) => isInvalid(error) && error instanceof Error && !error.message.includes("s3cr") && error.cause === undefined,
    );
  });
});
