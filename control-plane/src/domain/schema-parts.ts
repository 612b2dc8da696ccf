import { z } from "zod";
import { open, personal, sensitive } from "./classification.ts";
import { weekdays } from "./decision.ts";
import { hazards, riskClasses, transactionStates } from "./facts.ts";

/** What events are made of: values by their kind and class, and what several events hold. */

export const id = (): z.ZodString => open(z.string());
export const instant = (): z.ZodISODateTime => open(z.iso.datetime({ precision: 3 }));
export const word = (): z.ZodString => open(z.string());
export const count = (): z.ZodInt => open(z.int().min(0));
/** Names of people and machines. */
export const who = (): z.ZodString => personal(z.string());
export const people = (): z.ZodReadonly<z.ZodArray<z.ZodString>> => z.array(who()).readonly();
/** What tells about the person that is named there. */
export const about = (owner: string): z.ZodString => personal(z.string(), owner);
export const prose = (): z.ZodString => sensitive(z.string());
export const digest = (): z.ZodString => open(z.string().regex(/^[0-9a-f]{64}$/));
export const words = (): z.ZodReadonly<z.ZodArray<z.ZodString>> => open(z.array(z.string()).readonly());
const privateWords = () => sensitive(z.array(z.string()).readonly());

export const digestOrNone = (): z.ZodString => open(z.string().regex(/^([0-9a-f]{64})?$/));

export const decision = z.strictObject({
  policyVersion: word(),
  rules: words(),
  reason: word(),
  notify: words().exactOptional(),
  seen: z.strictObject({ hour: open(z.int().min(0).max(23)), weekday: open(z.enum(weekdays)) }).exactOptional(),
});

export const obligations = z.strictObject({
  maskColumns: z.array(z.strictObject({ column: word(), table: word(), kind: open(z.enum(["full", "partial", "hash", "null", "token", "round"])) })).readonly(),
  detectors: open(z.array(z.enum(["email", "card", "ssn", "phone", "iban"])).readonly()),
  rowCap: count(),
  computed: open(z.literal("show")).exactOptional(),
  byteCap: count().exactOptional(),
  timeoutMillis: count().exactOptional(),
  readOnly: open(z.literal(true)).exactOptional(),
  record: open(z.array(z.enum(["input", "output"])).readonly()).exactOptional(),
});

export const facts = z.strictObject({
  verbs: words(),
  riskClass: open(z.enum(riskClasses)),
  relationsRead: privateWords(),
  relationsWritten: privateWords(),
  functions: privateWords(),
  functionClasses: open(z.array(z.enum(riskClasses)).readonly()),
  hazards: open(z.array(z.enum(hazards)).readonly()),
  statementCount: count(),
  fingerprint: word(),
  columnsRead: privateWords(),
  columnsFiltered: privateWords(),
  columnsMatched: privateWords(),
  columnsWritten: privateWords(),
  columnsCopied: privateWords(),
  rowLimit: count(),
  settings: words(),
  transaction: open(z.enum(transactionStates)),
  unclassifiedReason: word(),
});

const parameter = z.strictObject({
  typeOid: count(),
  format: open(z.enum(["text", "binary"])),
  value: sensitive(z.string().nullable()).exactOptional(),
  encoding: open(z.enum(["utf8", "hex"])).exactOptional(),
  bytes: count(),
});

export const command = z.strictObject({
  commandId: open(z.int().min(1)),
  via: open(z.enum(["simple", "parse", "execute", "bind", "function_call"])),
  statement: prose().exactOptional(),
  statementBytes: count(),
  redacted: open(z.boolean()),
  parameters: z.array(parameter).readonly(),
  recording: z.strictObject({ from: count(), to: count() }).exactOptional(),
  digest: digest(),
  facts,
});

export const resource = z.strictObject({ name: word(), protocol: word(), labels: open(z.record(z.string(), z.string())), agentId: id() });

/** How people must agree. */
export const steps = z.array(z.strictObject({ people: open(z.int().min(1)), groups: words() })).readonly();
export const escalation = z.strictObject({ to: word(), at: instant() });
