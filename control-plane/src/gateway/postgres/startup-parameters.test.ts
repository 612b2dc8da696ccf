import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { SallyportError } from "@sallyport/proto/errors";
import { carriedParameters } from "./startup-parameters.ts";

const carried = (fields: Record<string, string>): Record<string, string> => carriedParameters(new Map(Object.entries(fields)));

describe("startup parameters", () => {
  it("carries what drivers send and leaves out who and what", () => {
    assert.deepEqual(carried({ user: "ana", database: "shop", application_name: "psql", client_encoding: "UTF8", DateStyle: "ISO" }), {
      application_name: "psql",
      client_encoding: "UTF8",
      datestyle: "ISO",
    });
  });

  it("reads options in every form that PostgreSQL takes", () => {
    assert.deepEqual(carried({ options: "-c statement_timeout=5s --lock-timeout=1s -csearch_path=a,\\ b" }), {
      statement_timeout: "5s",
      lock_timeout: "1s",
      search_path: "a, b",
    });
  });

  for (const fields of [
    { role: "postgres" },
    { options: "-c role=postgres" },
    { options: "-c Session_Authorization=x" },
    { standard_conforming_strings: "off" },
    { replication: "database" },
    { options: "-X" },
  ]) {
    it(`refuses ${JSON.stringify(fields)} by name instead of leaving it out in silence`, () => {
      assert.throws(
        () => carried(fields),
        (error) => error instanceof SallyportError && error.code === "feature.unsupported",
      );
    });
  }
});
