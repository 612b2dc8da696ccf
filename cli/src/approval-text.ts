import type { Approval } from "@sallyport/proto/gen/sallyport/api/v1/api";
import { isUtf8 } from "node:buffer";
import type { Verb } from "./verb.ts";

/** The API's number for the statement; parameters are $1, $2 and so on. */
const STATEMENT = 0;

/** An approval with all of its command, also what is too long for the answer that lists it. What is no text is in hexadecimal digits. */
export async function withWholeCommand({ api }: Verb, approval: Approval): Promise<Approval> {
  if (approval.whole) return approval;
  const chunks = new Map<number, Buffer[]>();
  for await (const { part, bytes } of api().approvals.readCommand({ approvalId: approval.id })) {
    const known = chunks.get(part) ?? [];
    chunks.set(part, known);
    known.push(Buffer.from(bytes));
  }
  const read = (part: number): string | undefined => {
    const all = chunks.get(part);
    return all === undefined ? undefined : readable(Buffer.concat(all));
  };
  return {
    ...approval,
    statement: read(STATEMENT) ?? approval.statement,
    parameters: approval.parameters.map((shown, index) => read(index + 1) ?? shown),
    whole: true,
  };
}

const readable = (bytes: Buffer): string => (isUtf8(bytes) ? bytes.toString("utf8") : `\\x${bytes.toString("hex")}`);
