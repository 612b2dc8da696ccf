import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { areHours, isWithinHours } from "./approver-hours.ts";

const office = "mon-fri 08-18 Europe/Berlin";

describe("approver hours", () => {
  it("are those of the wall clock in their zone, in summer and in winter", () => {
    assert.ok(isWithinHours(office, "2026-11-23T07:00:00.000Z"), "08:00 in winter");
    assert.ok(!isWithinHours(office, "2026-11-23T06:59:59.999Z"));
    assert.ok(isWithinHours(office, "2026-07-06T06:00:00.000Z"), "08:00 in summer");
    assert.ok(!isWithinHours(office, "2026-07-06T05:59:59.999Z"));
  });

  it("end before the hour that they name", () => {
    assert.ok(isWithinHours(office, "2026-11-23T16:59:59.999Z"));
    assert.ok(!isWithinHours(office, "2026-11-23T17:00:00.000Z"));
    assert.ok(isWithinHours("mon-sun 00-24 UTC", "2026-11-23T23:59:59.999Z"));
  });

  it("are on the days that they name, also over the end of the week", () => {
    assert.ok(!isWithinHours(office, "2026-11-22T10:00:00.000Z"), "a Sunday");
    assert.ok(isWithinHours("fri-mon 09:30-12:00 UTC", "2026-11-22T10:00:00.000Z"));
    assert.ok(!isWithinHours("fri-mon 09:30-12:00 UTC", "2026-11-24T10:00:00.000Z"), "a Tuesday");
    assert.ok(isWithinHours("sun 09:30-12:00 UTC", "2026-11-22T09:30:00.000Z"));
    assert.ok(!isWithinHours("sun 09:30-12:00 UTC", "2026-11-22T09:29:00.000Z"));
  });

  for (const text of [
    "",
    "mon-fri",
    "mon-fri 8-18 UTC",
    "mon-fri 18-08 UTC",
    "mon-fri 08-25 UTC",
    "mon-fri 08:60-18 UTC",
    "Mon-Fri 08-18 UTC",
    "mon-fri 08-18 Europe/Atlantis",
  ]) {
    it(`cannot be written ${JSON.stringify(text)}, and what is so written is never open`, () => {
      assert.ok(!areHours(text));
      assert.ok(!isWithinHours(text, "2026-11-23T10:00:00.000Z"));
    });
  }
});
