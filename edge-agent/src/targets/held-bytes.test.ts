import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { SallyportError } from "@sallyport/proto/errors";
import { FREE_HELD_BYTES, HeldBytes } from "./held-bytes.ts";

const MIB = 1_048_576;
const tooMuch = (error: unknown): boolean => error instanceof SallyportError && error.code === "session.limit";

describe("what the sessions of an agent hold together", () => {
  it("fails the session that grows past the bound, until others have let go", () => {
    const held = new HeldBytes(10 * MIB);
    const [one, two] = [held.open(), held.open()];
    one.hold("message", 6 * MIB);
    assert.throws(() => two.hold("message", 5 * MIB), tooMuch);
    two.close();
    const three = held.open();
    three.hold("queue", 4 * MIB);
    one.hold("message", 2 * MIB);
    three.hold("message", 4 * MIB);
    assert.throws(() => one.hold("copy", MIB), tooMuch);
  });

  it("leaves a session alone that shrinks while others hold too much, and counts nothing of one that is over", () => {
    const held = new HeldBytes(4 * MIB);
    const [one, two] = [held.open(), held.open()];
    one.hold("message", 4 * MIB);
    assert.throws(() => two.hold("message", 3 * MIB), tooMuch);
    one.hold("message", 3 * MIB);
    two.close();
    two.hold("message", 100 * MIB);
    held.open().hold("message", FREE_HELD_BYTES);
    one.hold("message", 4 * MIB);
  });
});
