import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { SallyportError } from "@sallyport/proto/errors";
import { signatures, webhookKey } from "./signature.ts";

/** The example of the Standard Webhooks libraries. */
const SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";
const ID = "msg_p5jXN8AQM9LWM0D4loKWxJek";
const TIME = 1_614_265_330;
const PAYLOAD = '{"test": 2432232314}';
const SIGNATURE = "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=";

describe("a webhook's signature", () => {
  it("is the one that the specification's own libraries make", () => {
    assert.equal(signatures([webhookKey(SECRET)], ID, TIME, PAYLOAD), SIGNATURE);
  });

  it("is made with the old key as well while a key is being changed", () => {
    const other = webhookKey(`whsec_${Buffer.alloc(32, 7).toString("base64")}`);
    const both = signatures([other, webhookKey(SECRET)], ID, TIME, PAYLOAD).split(" ");
    assert.equal(both.length, 2);
    assert.equal(both[1], SIGNATURE);
    assert.notEqual(both[0], SIGNATURE);
  });

  it("is refused a key that is too short, or none, without a word of it", () => {
    for (const secret of ["whsec_c2hvcnQ=", "hunter2hunter2hunter2hunter2hunter2", `whsec_${Buffer.alloc(65).toString("base64")}`, "whsec_"]) {
      assert.throws(
        () => webhookKey(secret),
        (error) => error instanceof SallyportError && error.code === "config.invalid" && !error.message.includes("hunter2") && !error.message.includes("c2hv"),
      );
    }
  });
});
