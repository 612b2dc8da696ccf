import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { SallyportError } from "../../errors.ts";
import {
  decodeFields,
  encodeAuthentication,
  encodeBackendKeyData,
  encodeErrorResponse,
  encodeNegotiateProtocolVersion,
  encodeParameterStatus,
  encodeReadyForQuery,
} from "./backend.ts";
import { encodeRefusal } from "./refusal.ts";

describe("backend messages", () => {
  it("are the bytes that the protocol's documentation gives", () => {
    assert.equal(encodeReadyForQuery("T").toString("hex"), "5a0000000554");
    assert.equal(encodeAuthentication(0).toString("hex"), "520000000800000000");
    assert.equal(encodeBackendKeyData(1, Buffer.from("00000002", "hex")).toString("hex"), "4b0000000c0000000100000002");
    assert.equal(encodeParameterStatus("a", "b").toString("hex"), "530000000861006200");
    assert.equal(encodeNegotiateProtocolVersion(0, ["_pq_.x"]).toString("hex"), "760000001300030000000000015f70715f2e7800");
  });

  it("carry our refusal in PostgreSQL's words, with the stable code in DETAIL", () => {
    const bytes = encodeRefusal(new SallyportError("policy.denied", "Refused.", { rule: "no-drop" }), "ERROR", "Ask.");
    const fields = decodeFields(bytes.subarray(5));
    assert.equal(fields.get("C"), "42501");
    assert.equal(fields.get("M"), "Refused.");
    assert.equal(fields.get("D"), "code: policy.denied; rule: no-drop");
    assert.equal(fields.get("H"), "Ask.");
  });

  it("cannot be broken open by a NUL in a text", () => {
    const bytes = encodeErrorResponse({ severity: "ERROR", sqlstate: "XX000", message: "a\0Hfake" });
    const fields = decodeFields(bytes.subarray(5));
    assert.equal(fields.get("M"), "aHfake");
    assert.equal(fields.has("H"), false);
  });
});
