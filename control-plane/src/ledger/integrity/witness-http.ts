import { toBase64 } from "@sallyport/proto/audit/bytes";
import { SallyportError } from "@sallyport/proto/errors";
import type { Witness, Witnessed } from "./witness.ts";

/** From the request to the end of the answer. */
export const HTTP_DEADLINE_MS = 5_000;
/** An answer is a few lines. */
const MAX_ANSWER_BYTES = 65_536;

/**
 * A witness as c2sp.org/tlog-witness has it: `POST <url>/add-checkpoint` with the size it knows, a proof that the tree grew out of
 * that one, and the checkpoint; it answers with its signature. On 409 it says which size it knows.
 */
export function witnessHttp(url: string, deadlineMs = HTTP_DEADLINE_MS): Witness {
  const endpoint = `${url.replace(/\/+$/u, "")}/add-checkpoint`;
  const name = new URL(endpoint).host;
  let known = 0;
  const post = async ({ record, consistency }: Witnessed): Promise<{ readonly status: number; readonly text: string }> => {
    const proof = consistency(known).map((hash) => `${toBase64(hash)}\n`);
    const response = await fetch(endpoint, {
      method: "POST",
      body: `old ${known}\n${proof.join("")}\n${record.checkpoint}`,
      headers: { "content-type": "text/plain; charset=utf-8" },
      redirect: "error",
      signal: AbortSignal.timeout(deadlineMs),
    });
    return { status: response.status, text: await beginningOf(response.body) };
  };
  return {
    name,
    onlyLatest: true,
    async push(witnessed) {
      const { treeSize } = witnessed.checkpoint;
      let answer = await post(witnessed);
      const told = answer.status === 409 ? /^(\d{1,16})\n?$/u.exec(answer.text)?.[1] : undefined;
      if (told !== undefined && Number(told) <= treeSize) {
        known = Number(told);
        answer = await post(witnessed);
      }
      if (told !== undefined && Number(told) > treeSize) {
        throw new SallyportError("ledger.corrupt", `The witness has signed ${told} events of this log, which has ${treeSize}.`, { witness: name });
      }
      if (answer.status !== 200) throw new SallyportError("ledger.unavailable", `The witness answered ${answer.status}.`, { witness: name });
      known = treeSize;
      return answer.text
        .split("\n")
        .filter((line) => line.startsWith("— "))
        .map((line) => `${line}\n`);
    },
  };
}

/** What is beyond is not read. */
async function beginningOf(body: AsyncIterable<Uint8Array> | null): Promise<string> {
  const parts: Uint8Array[] = [];
  let left = MAX_ANSWER_BYTES;
  for await (const part of body ?? []) {
    parts.push(part.subarray(0, left));
    left -= part.length;
    if (left <= 0) break;
  }
  return Buffer.concat(parts).toString("utf8");
}
