import { toBase64 } from "@sallyport/proto/audit/bytes";
import { promiseText } from "@sallyport/proto/audit/promise";
import { signNote } from "@sallyport/proto/audit/write-bundle";
import { SallyportError } from "@sallyport/proto/errors";
import type { Ledger } from "../ledger.ts";
import type { Checkpointer } from "./checkpointer.ts";
import { hashOf } from "./leaf-batch.ts";

export interface AppendPromise {
  readonly position: bigint;
  readonly leafHash: string;
  /** A signed note over both. */
  readonly note: string;
}

/** Says, signed, that this event is at this position: what it must be included as from the next checkpoint on. */
export async function promiseOf(ledger: Ledger, checkpointer: Checkpointer, stream: string, revision: bigint, now: Date): Promise<AppendPromise> {
  const signer = checkpointer.signer();
  for await (const event of ledger.readStream(stream, { from: revision, limit: 1 })) {
    if (event.revision !== revision || signer === undefined) break;
    const { position } = event;
    const leafHash = toBase64(hashOf(event));
    return { position, leafHash, note: await signNote(signer, promiseText(signer.key.name, String(position), leafHash, now.toISOString())) };
  }
  throw new SallyportError("input.invalid", "There is no such event.", { stream });
}
