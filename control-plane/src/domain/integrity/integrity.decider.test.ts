import { describe, it } from "node:test";
import { scenario } from "../given.ts";
import * as integrity from "./integrity.decider.ts";
import type { IntegrityEvent } from "./integrity.events.ts";

const given = scenario(integrity, "2026-11-22T10:00:00.000Z");
const data = { root: "r", time: "2026-11-22T10:00:00.000Z", position: "9", leaves: "", signature: "s" };
const signed = (treeSize: number, key = "one"): IntegrityEvent => ({ type: "CheckpointSigned", data: { ...data, treeSize, key } });
const handOver = { oldKey: "one", newKey: "two", time: data.time, oldSignature: "a", newSignature: "b" };
const rotated: IntegrityEvent = { type: "SigningKeyRotated", data: handOver };

describe("the checkpoints of the log", () => {
  it("are signed over a log that has grown", () => {
    given()
      .when({ type: "SignCheckpoint", ...data, treeSize: 3, key: "one" })
      .gives(signed(3));
    given(signed(3))
      .when({ type: "SignCheckpoint", ...data, treeSize: 5, key: "one" })
      .gives(signed(5));
  });

  it("are not signed again over what another node has covered", () => {
    given(signed(5))
      .when({ type: "SignCheckpoint", ...data, treeSize: 5, key: "one" })
      .gives();
    given(signed(5))
      .when({ type: "SignCheckpoint", ...data, treeSize: 4, key: "one" })
      .gives();
  });

  it("are refused with a key to which the one before has not handed over", () => {
    given(signed(3))
      .when({ type: "SignCheckpoint", ...data, treeSize: 5, key: "two" })
      .fails("config.invalid");
    given(signed(3), rotated)
      .when({ type: "SignCheckpoint", ...data, treeSize: 5, key: "one" })
      .fails("config.invalid");
    given(signed(3), rotated)
      .when({ type: "SignCheckpoint", ...data, treeSize: 5, key: "two" })
      .gives(signed(5, "two"));
  });

  it("change hands once for each key, and from the key in force only", () => {
    given(signed(3))
      .when({ type: "RotateSigningKey", ...handOver })
      .gives(rotated);
    given(signed(3), rotated)
      .when({ type: "RotateSigningKey", ...handOver })
      .gives();
    given(signed(3, "other"))
      .when({ type: "RotateSigningKey", ...handOver })
      .fails("config.invalid");
  });
});
