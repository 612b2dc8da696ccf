import { findDisruptive } from "@sallyport/proto/disruptive";
import { SallyportError } from "@sallyport/proto/errors";

/** Names become part of stream names, which must be ASCII without blanks in every store. */
const patterns = {
  identity: /^[A-Za-z0-9][A-Za-z0-9._@+-]{0,127}$/,
  agent: /^[A-Za-z0-9][A-Za-z0-9._-]{0,62}$/,
  /** At most 63 bytes: what PostgreSQL takes for a database name. */
  resource: /^[A-Za-z0-9][A-Za-z0-9._-]{0,62}$/,
  protocol: /^[a-z][a-z0-9-]{0,31}$/,
} as const;

/** Whoever had a name that nobody can read any more. */
const FORGOTTEN = /^forgotten-([0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12})$/u;

export const forgottenName = (subject: string): string => `forgotten-${subject}`;
export const forgottenSubject = (name: string): string | undefined => FORGOTTEN.exec(name)?.[1];

export function requireName(kind: keyof typeof patterns, name: string): void {
  if (kind === "identity" && forgottenSubject(name) !== undefined) {
    throw new SallyportError("input.invalid", "Nobody can take the place of somebody who was forgotten.", { field: kind });
  }
  if (patterns[kind].test(name)) return;
  throw new SallyportError("input.invalid", `Not a valid ${kind} name: it must match ${patterns[kind].source}.`, { field: kind });
}

/** What people write for people: comments, reasons, names of groups. */
export function requireText(field: string, text: string, maxLength: number): void {
  requireStatement(field, text, maxLength);
  const found = findDisruptive(text);
  if (found !== undefined) throw new SallyportError("input.invalid", `${field} has the control character ${found.name} in it.`, { field });
}

/** What somebody has to say; `asked` is how they are told to. Blanks say nothing. */
export function requireSaid(field: string, text: string, maxLength: number, asked: string): void {
  requireText(field, text, maxLength);
  if (text.trim() === "") throw new SallyportError("input.invalid", asked, { field });
}

/** A text that is not ours to judge: it goes into JSON, whose strings must be well formed, and into events, which stay small. */
export function requireStatement(field: string, text: string, maxLength: number): void {
  if (!text.isWellFormed()) throw new SallyportError("input.invalid", `${field} is not well-formed Unicode.`, { field });
  if (text.length > maxLength) throw new SallyportError("input.invalid", `${field} is longer than ${String(maxLength)} characters.`, { field });
}
