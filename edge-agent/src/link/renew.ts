import { setTimeout as delay } from "node:timers/promises";
import type { Logger } from "pino";
import { checkedCertificate, newCertificateRequest } from "./certificate-request.ts";
import { callRenew, type TunnelClient } from "./dial.ts";
import { type AgentIdentity, validityOf } from "./identity-store.ts";
import { refusalIn } from "./refusal.ts";

/** Half a day of certificate is left when renewal first fails; once a minute is enough and no burden. */
export const RENEW_RETRY_MS = 60_000;
/** The longest that a timer of Node can be set to. */
const MAX_TIMER_MS = 2 ** 31 - 1;

export interface RenewalOptions {
  readonly client: TunnelClient;
  readonly current: () => AgentIdentity;
  /** Durable when it resolves: only then is the new certificate used. */
  readonly replace: (identity: AgentIdentity) => Promise<void>;
  readonly signal: AbortSignal;
  readonly log: Logger;
  readonly now?: () => Date;
}

/** When half of a certificate's life is over. */
export function renewalDue(identity: AgentIdentity): number {
  const { notBefore, notAfter } = validityOf(identity);
  return (notBefore.getTime() + notAfter.getTime()) / 2;
}

/**
 * Renews at half-life with a new key, for as long as the link lives. The control plane lets the link live on with the
 * new certificate, and the next dial presents it, so that no session is cut for a renewal.
 */
export async function keepRenewed({ client, current, replace, signal, log, now = () => new Date() }: RenewalOptions): Promise<void> {
  let retryMs = 0;
  while (await pause(Math.max(renewalDue(current()) - now().getTime(), retryMs), signal)) {
    retryMs = RENEW_RETRY_MS; // after a success too: a certificate that is old when it comes must not be asked for in a loop
    if (renewalDue(current()) > now().getTime()) continue;
    try {
      const identity = current();
      const request = await newCertificateRequest();
      const certPem = checkedCertificate(await callRenew(client, request.der), request, identity.caPem);
      await replace({ ...identity, certPem, keyPem: request.keyPem });
      log.info({ notAfter: validityOf(current()).notAfter }, "certificate renewed");
    } catch (error) {
      if (signal.aborted) return;
      log.warn({ err: refusalIn(error) ?? error }, "certificate was not renewed");
    }
  }
}

/** False when aborted. */
const pause = (ms: number, signal: AbortSignal): Promise<boolean> => delay(Math.min(Math.max(ms, 0), MAX_TIMER_MS), true, { signal }).catch(() => false);
