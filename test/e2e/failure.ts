import { DatabaseError } from "pg";
import type { WireMessage } from "../support/wire-client.ts";

/** SQLSTATE and our code, as the client is told them; what it was told instead when that is not an error of the protocol. */
export async function failure(run: Promise<unknown>): Promise<readonly string[]> {
  try {
    await run;
  } catch (error) {
    if (error instanceof DatabaseError) return [error.code ?? "", ourCode(error.detail ?? "") ?? error.message];
    return [String(error)];
  }
  return ["no error"];
}

/** The same of an ErrorResponse or NoticeResponse as bytes, with its severity. */
export function failureOf({ bytes }: WireMessage): readonly string[] {
  const fields = new Map(
    bytes
      .toString("utf8", 5)
      .split("\0")
      .map((field) => [field[0], field.slice(1)]),
  );
  return [fields.get("S") ?? "", fields.get("C") ?? "", ourCode(fields.get("D") ?? "") ?? fields.get("M") ?? ""];
}

const ourCode = (detail: string): string | undefined => /^code: ([\w.]+)/u.exec(detail)?.[1];
