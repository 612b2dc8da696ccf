import { request as httpRequest, type IncomingMessage } from "node:http";
import { request as httpsRequest } from "node:https";
import { delivered, failed, type Outcome } from "../channel.ts";
import { AddressRefused, guardedLookup, requireReachable } from "./addresses.ts";

/** From the connection to the end of the answer (Standard Webhooks recommends 15 to 30 s). */
export const POST_DEADLINE_MS = 15_000;
/** An answer is looked at for its status only; this much is read so that the connection ends in order. */
export const MAX_ANSWER_BYTES = 65_536;
/** Whoever asks to be left alone for longer than this is asked again anyway. */
export const MAX_RETRY_AFTER_MS = 3_600_000;

export interface Post {
  readonly url: URL;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: string;
  readonly privateAddresses: boolean;
  /** PEM certificates to trust in place of the system's. */
  readonly ca?: string | undefined;
  readonly deadlineMs?: number;
}

/** One POST: no redirect is followed, no connection kept, nothing of the answer but its status believed. Never rejects. */
export async function post({ url, headers, body, privateAddresses, ca, deadlineMs = POST_DEADLINE_MS }: Post, signal: AbortSignal): Promise<Outcome> {
  const deadline = AbortSignal.timeout(deadlineMs);
  try {
    requireReachable(url.hostname, privateAddresses);
    const answer = await send(url, body, {
      method: "POST",
      headers: { ...headers, "content-length": String(Buffer.byteLength(body)) },
      lookup: guardedLookup(url.hostname, privateAddresses),
      agent: false,
      signal: AbortSignal.any([signal, deadline]),
      ...(ca === undefined ? {} : { ca }),
    });
    return outcomeOf(answer);
  } catch (error) {
    return failed(deadline.aborted ? "timeout" : reasonOf(error), { ofChannel: true });
  }
}

interface Answer {
  readonly status: number;
  readonly retryAfter: string | undefined;
}

function send(url: URL, body: string, options: Parameters<typeof httpsRequest>[1]): Promise<Answer> {
  const { promise, resolve, reject } = Promise.withResolvers<Answer>();
  let isAnswered = false;
  const request = (url.protocol === "https:" ? httpsRequest : httpRequest)(url, options, (response: IncomingMessage) => {
    const answer = { status: response.statusCode ?? 0, retryAfter: response.headers["retry-after"] };
    let read = 0;
    response.on("data", (chunk: Buffer) => {
      read += chunk.length;
      if (read > MAX_ANSWER_BYTES) {
        resolve(answer);
        response.destroy();
      }
    });
    response.on("end", () => resolve(answer));
    response.on("error", reject);
    response.on("close", () => reject(new Error("The answer ended early.")));
    isAnswered = true;
  });
  // 101: without somebody who listens for it, Node cuts the connection and says neither "response" nor "error".
  request.on("upgrade", ({ statusCode = 0 }, socket) => {
    socket.destroy();
    resolve({ status: statusCode, retryAfter: undefined });
  });
  request.on("error", reject);
  // Nobody may wait for an answer for ever, whatever else Node ends without a word. An answer that has begun ends by itself.
  request.on("close", () => {
    if (!isAnswered) reject(new Error("There was no answer."));
  });
  options.signal?.addEventListener("abort", () => reject(new Error("It was broken off.")), { once: true });
  request.end(body);
  return promise;
}

function outcomeOf({ status, retryAfter }: Answer): Outcome {
  if (status >= 200 && status < 300) return delivered;
  const failure = `http ${status}`;
  // 410: whoever is there wants no more of it.
  if (status === 410) return failed(failure, { final: true });
  // 429 and 503 are about whoever asks and whoever answers, not about what is said.
  const ofChannel = status === 429 || status === 503;
  const seconds = /^\d{1,7}$/u.test(retryAfter ?? "") ? Number(retryAfter) : 0;
  return failed(failure, { ofChannel, ...(seconds > 0 ? { retryAfterMs: Math.min(seconds * 1_000, MAX_RETRY_AFTER_MS) } : {}) });
}

/** A code of Node's, which says what happened and holds nothing of anybody's. */
function reasonOf(error: unknown): string {
  if (error instanceof AddressRefused) return "address refused";
  const code = error instanceof Error && "code" in error ? String(error.code) : "";
  return /^[A-Z][A-Z0-9_]{2,60}$/u.test(code) ? code.toLowerCase().replaceAll("_", " ") : "connection failed";
}
