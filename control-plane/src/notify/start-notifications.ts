import type { Execute } from "../application/execute-command.ts";
import type { FailClosed } from "../application/fail-closed.ts";
import type { LiveState } from "../application/live-state.ts";
import type { Clock } from "../application/ports.ts";
import { systemScheduler } from "../application/scheduler.ts";
import { systemContext } from "../application/use-case.ts";
import { agentStream } from "../domain/agent/agent.events.ts";
import type { Ledger } from "../ledger/ledger.ts";
import type { Logger } from "pino";
import type { Channel } from "./channel.ts";
import { Notifications } from "./notifications.process.ts";
import { OutageAlert } from "./outage-alert.ts";
import { openOutbox } from "./open-outbox.ts";

export interface NotificationsOptions {
  readonly ledger: Ledger;
  readonly failClosed: Pick<FailClosed, "onEntered" | "onLeft">;
  readonly live: Pick<LiveState, "agents">;
  readonly execute: Execute;
  readonly channels: readonly Channel[];
  /** Of the outbox. */
  readonly file: string;
  readonly nodeId: string;
  readonly clock: Clock;
  readonly log: Logger;
}

/** Resolves when nothing that happens from now on is missed. */
export async function startNotifications({ live, failClosed, file, nodeId, ...rest }: NotificationsOptions): Promise<Notifications> {
  const notifications = await Notifications.start({
    ...rest,
    outbox: openOutbox({ path: file, hasChannels: rest.channels.length > 0, clock: rest.clock, log: rest.log }),
    context: systemContext(nodeId),
    agentName: (agentId) => live.agents.get(agentStream(agentId))?.state.name ?? agentId,
    scheduler: systemScheduler,
    random: Math.random,
  });
  const alert = new OutageAlert({ channels: rest.channels, nodeId, scheduler: systemScheduler });
  failClosed.onEntered((outage) => alert.entered(outage));
  failClosed.onLeft(() => alert.left());
  return notifications;
}
