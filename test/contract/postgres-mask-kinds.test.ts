import assert from "node:assert/strict";
import { before, it } from "node:test";
import { CellMasker } from "../../edge-agent/src/masking/cell-masker.ts";
import type { MaskKind } from "../../edge-agent/src/masking/mask-value.ts";
import { typedMask } from "../../edge-agent/src/targets/postgres/relay/typed-mask.ts";
import type { Client } from "pg";
import { describeOnEach, startTestPostgres } from "../support/postgres-server.ts";
import { suiteCleanup } from "../support/suite-cleanup.ts";

const masker = new CellMasker({ maskColumns: [], detectors: [] }, { hash: Buffer.alloc(32, 1), token: Buffer.alloc(32, 2) });

/** Values of each type, as SQL; among them the least and the greatest. */
const values: Readonly<Record<string, string>> = {
  int2: "select v::int2 as v from unnest(array[0, 1, -1, 5, 42, -32768, 32767]) v union all select (random() * 60000 - 30000)::int2 from generate_series(1, 200)",
  int4: "select v::int4 as v from unnest(array[0, -7, 2147483647, -2147483648]) v union all select (random() * 4e9 - 2e9)::int4 from generate_series(1, 200)",
  int8: "select v::int8 as v from unnest(array[0, 9223372036854775807, -9223372036854775808]) v union all select (random() * 1.8e19 - 9e18)::int8 from generate_series(1, 200)",
  numeric:
    "select v::numeric as v from unnest(array[0, 0.001, -0.5, 9.99, 95, 123456789012345678901234567890.5, 'NaN', 'Infinity']::numeric[]) v union all select (random() * 1e6)::numeric(12, 2) from generate_series(1, 200)",
  float4:
    "select v::float4 as v from unnest(array['NaN', 'Infinity', '3.4e38', '-1e-30', '0', '1e15']::float4[]) v union all select (random() * 1e5)::float4 from generate_series(1, 200)",
  float8:
    "select v::float8 as v from unnest(array['NaN', '-Infinity', '1.79e308', '5e-324', '0']::float8[]) v union all select random() * 1e9 from generate_series(1, 200)",
  date: "select v::date as v from unnest(array['infinity', '0044-03-15 BC', '5874897-12-31', '2000-02-29', '1999-12-31']::date[]) v union all select date '1900-01-01' + (random() * 70000)::int from generate_series(1, 200)",
  timestamp:
    "select v::timestamp as v from unnest(array['-infinity', '0044-03-15 BC', '294276-12-31', '1999-12-31 23:59:59.999999']::timestamp[]) v union all select timestamp '1900-01-01' + random() * interval '150 years' from generate_series(1, 200)",
  timestamptz: "select timestamptz '1900-01-01Z' + random() * interval '150 years' as v from generate_series(1, 200)",
  uuid: "select gen_random_uuid() as v from generate_series(1, 200)",
};
const kinds: readonly MaskKind[] = ["round", "token"];
/** What PostgreSQL calls the function that makes a value binary, where it is not the type's name. */
const send: Readonly<Record<string, string>> = {
  timestamptz: "timestamptz_send",
  int2: "int2send",
  int4: "int4send",
  int8: "int8send",
  float4: "float4send",
  float8: "float8send",
};

describeOnEach("masks of typed values", (flavour) => {
  const cleanup = suiteCleanup();
  let client: Client;
  before(async () => {
    const server = await startTestPostgres(cleanup, { flavour, auth: "trust" });
    client = await server.connectAsApp();
    // Where a timestamp of the text is the year's first day of the zone, and of the bytes of UTC's.
    await client.query("set timezone = 'UTC'");
  });

  for (const [type, sql] of Object.entries(values)) {
    for (const kind of kinds) {
      it(`${kind} of ${type} is one that the server reads as that type, in text as in binary`, async () => {
        const { rows } = await client.query<{ oid: string; text: string; bytes: Buffer }>(
          `select '${type}'::regtype::oid::int8 as oid, v::text as text, ${send[type] ?? `${type}_send`}(v) as bytes from (${sql}) x where v is not null`,
        );
        const oid = Number(rows[0]?.oid);
        const inText = typedMask(kind, oid, "text", masker);
        const inBinary = typedMask(kind, oid, "binary", masker);
        if (inText === undefined) return assert.equal(inBinary, undefined);
        let shown = 0;
        for (const { text, bytes } of rows) {
          const masked: string | null = inText(Buffer.from(text))?.toString() ?? null;
          const packed = inBinary?.(bytes);
          if (masked === null) continue;
          const { rows: read }: { readonly rows: readonly { readonly bytes: Buffer }[] } = await client.query<{ bytes: Buffer }>(
            `select ${send[type] ?? `${type}_send`}(v) as bytes from (select $1::text::${type} as v) x`,
            [masked],
          );
          // Years beyond those of a Date of ours are NULL in binary.
          if (packed !== undefined && packed !== null) assert.deepEqual(packed, read[0]?.bytes, `${text} is ${masked}`);
          if (masked === text) shown++;
        }
        assert.ok(shown <= rows.length / 10, `${shown} of ${rows.length} values are as they were`);
      });
    }
  }

  it("hides a small number among tens, and a birthday in its year", () => {
    const round = (oid: number, text: string): string | undefined => typedMask("round", oid, "text", masker)?.(Buffer.from(text))?.toString();
    assert.deepEqual(
      ["4", "7", "42", "-42", "96", "1234", "15"].map((text) => round(23, text)),
      ["0", "10", "40", "-40", "100", "1000", "20"],
    );
    assert.deepEqual(
      ["0.49", "98765.43", "-5.5", "NaN"].map((text) => round(1700, text)),
      ["0", "100000", "-10", undefined],
    );
    assert.equal(round(1082, "1906-12-09"), "1906-01-01");
    assert.equal(round(1184, "2026-11-23 05:00:00.5+02"), "2026-01-01 00:00:00+02");
    assert.equal(round(1082, "12/09/1906"), undefined);
  });
});
