import { randomBytes } from "node:crypto";
import fc from "fast-check";
import type { MaskColumn, Obligations, Report } from "@sallyport/proto/gen/sallyport/tunnel/v1/tunnel";
import { catalogueOf, knowsAll, OF_NOTHING, ofColumn } from "./lineage.fixture.ts";
import { PostgresRelay } from "./relay.ts";

export const CUSTOMERS = 16_400;
export const catalogue = catalogueOf({ [`${CUSTOMERS}.2`]: ofColumn("customers", "email") });
export const maskKeys = { hash: randomBytes(32), token: randomBytes(32) };
export const mask = (column: string, kind: string, table = ""): MaskColumn => ({ column, table, kind });
export const oblige = (obligations: Partial<Obligations>): Obligations => ({ maskColumns: [], detectors: [], rowCap: 0n, ...obligations });
export const detect = oblige({ detectors: ["email", "card", "ssn", "phone", "iban"] });

export type Happening = { readonly kind: "bytes"; readonly bytes: Buffer } | { readonly kind: "report"; readonly report: Report };

export interface Conversation {
  readonly relay: PostgresRelay;
  readonly client: (...parts: readonly Buffer[]) => void;
  readonly target: (...parts: readonly Buffer[]) => void;
  /** What the target was sent. */
  readonly sent: () => Buffer;
  /** What the client was. */
  readonly received: () => Buffer;
  readonly reports: () => Report[];
  /** Both of these in their order. */
  readonly happened: readonly Happening[];
}

export function start(obligations: Obligations): Conversation {
  const happened: Happening[] = [];
  const sent: Buffer[] = [];
  const relay = new PostgresRelay({
    obligations,
    catalogue,
    ...knowsAll,
    maskKeys,
    executes: () => {},
    toTarget: (bytes) => void sent.push(Buffer.from(bytes)),
    toClient: (bytes) => void happened.push({ kind: "bytes", bytes: Buffer.from(bytes) }),
    report: (report) => void happened.push({ kind: "report", report }),
  });
  relay.expectResults(OF_NOTHING);
  return {
    relay,
    client: (...parts: readonly Buffer[]) => relay.fromClient(Buffer.concat(parts)),
    target: (...parts: readonly Buffer[]) => relay.fromTarget(Buffer.concat(parts)),
    sent: () => Buffer.concat(sent),
    received: () => Buffer.concat(happened.flatMap((one) => (one.kind === "bytes" ? [one.bytes] : []))),
    reports: () => happened.flatMap((one) => (one.kind === "report" ? [one.report] : [])),
    happened,
  };
}

/** Into pieces of these sizes, over and over. */
export function cut(bytes: Buffer, sizes: readonly number[]): Buffer[] {
  const chunks: Buffer[] = [];
  for (let at = 0, i = 0; at < bytes.length; i++) {
    const size = sizes[i % sizes.length] ?? 1;
    chunks.push(Buffer.from(bytes.subarray(at, at + size)));
    at += size;
  }
  return chunks;
}

export const sizes = fc.array(fc.integer({ min: 1, max: 40 }), { minLength: 1, maxLength: 12 });
