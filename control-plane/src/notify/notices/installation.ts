import { type Notices, personal, sensitive, shown } from "../notice.ts";

/** An agent that is gone by itself: whoever waits for its resources waits in vain. */
const OFFLINE: ReadonlySet<string> = new Set(["closed", "lost", "protocol_violation", "control_plane_lost"]);

export const agentNotices: Notices = {
  AgentDisconnected({ agentId, cause }, { agentName }) {
    if (!OFFLINE.has(cause)) return undefined;
    const name = agentName(agentId);
    return {
      kind: "agent.offline",
      title: `The agent ${name} is offline`,
      urgency: "alarm",
      fields: [shown("agent", name), shown("cause", cause)],
      next: agents,
    };
  },
  AgentRevoked({ agentId, reason }, { agentName }) {
    const name = agentName(agentId);
    return {
      kind: "agent.revoked",
      title: `The agent ${name} was revoked`,
      urgency: "info",
      fields: [shown("agent", name), sensitive("reason", reason)],
      next: agents,
    };
  },
};

const agents = [{ label: "Look", command: "sallyport agents", path: "agents" }];

/** Whether anything could be recorded: of an outage the record tells when it is over. */
export const ledgerNotices: Notices = {
  FailClosedEntered: ({ nodeId, cause, since }) => ({
    kind: "ledger.unavailable",
    title: `The record of ${nodeId} could not be written, so commands were refused`,
    urgency: "alarm",
    fields: [shown("node", nodeId), shown("since", since), shown("cause", cause)],
    next: [],
  }),
  FailClosedLeft: ({ nodeId, refusedCommands }) => ({
    kind: "ledger.available",
    title: `The record of ${nodeId} can be written again`,
    urgency: "info",
    fields: [shown("node", nodeId), shown("refused commands", refusedCommands)],
    next: [],
  }),
};

export const erasureNotices: Notices = {
  ErasureRequested: ({ erasureId, requestedBy, reason, quorum, expiresAt }) => ({
    kind: "erasure.requested",
    title: "Somebody is to be forgotten, which cannot be undone",
    urgency: "action",
    // Not who: a message would outlive the key that forgets them.
    fields: [shown("needs", quorum), shown("expires", expiresAt), personal("asked by", requestedBy), personal("reason", reason), shown("erasure", erasureId)],
    next: [{ label: "Look", command: "sallyport forget list", path: `erasures/${erasureId}` }],
  }),
};

/** That another channel could not be told of something. */
export const notificationNotices: Notices = {
  NotificationFailed: ({ notificationId, channel, eventType, attempts, failure }) =>
    // Else two channels that are both away would tell of each other for ever.
    eventType === "NotificationFailed"
      ? undefined
      : {
          kind: "notification.failed",
          title: `The channel ${channel} could not be told of ${eventType}`,
          urgency: "info",
          fields: [shown("channel", channel), shown("attempts", attempts), shown("failure", failure), shown("notification", notificationId)],
          next: [{ label: "Try again", command: `sallyport notifications retry ${notificationId}`, path: `notifications/${notificationId}` }],
        },
};
