import type { DataOf } from "../../domain/events.ts";
import { type About, type Field, type Notice, type Notices, personal, sensitive, shown } from "../notice.ts";
import { commandFields } from "./approvals.ts";

/** Decisions that are told only where a rule asks for it (`@notify`): there may be as many as there are commands. */
export const decisionNotices: Notices = {
  SessionOpened: ({ sessionId, decision }, about) => ofSession("session.opened", "was opened", sessionId, decision, about),
  SessionContinued: ({ sessionId, decision, grantId }, about) =>
    ofSession("session.continued", "goes on with another grant", sessionId, decision, about, [shown("grant", grantId)]),
  SessionRefused: ({ sessionId, decision, code }, about) =>
    decision === undefined ? undefined : ofSession("session.refused", "was refused", sessionId, decision, about, [shown("code", code)]),
  CommandAuthorized: (data, about) => ofCommand("command.authorized", "was allowed", data, about),
  CommandDenied: (data, about) => ofCommand("command.denied", "was denied", data, about, [shown("code", data.code)]),
};

type Decision = DataOf<"SessionOpened">["decision"];

const resourceOf = ({ subject }: About): string => (subject.type === "SessionRequested" ? subject.data.resource : "a resource");
const whoOf = ({ subject }: About): readonly Field[] => (subject.type === "SessionRequested" ? [personal("who", subject.data.identity.id)] : []);

function ofSession(kind: string, what: string, sessionId: string, { rules }: Decision, about: About, fields: readonly Field[] = []): Notice {
  const resource = resourceOf(about);
  return {
    kind,
    title: `A session on ${resource} ${what}`,
    urgency: "info",
    fields: [shown("resource", resource), shown("rules", rules), ...whoOf(about), ...fields, shown("session", sessionId)],
    next: [{ label: "Explain", command: `sallyport explain ${sessionId}`, path: `sessions/${sessionId}` }],
  };
}

function ofCommand(
  kind: string,
  what: string,
  { commandId, decision, facts, statement }: DataOf<"CommandAuthorized"> | DataOf<"CommandDenied">,
  about: About,
  fields: readonly Field[] = [],
): Notice {
  const sessionId = about.subject.type === "SessionRequested" ? about.subject.data.sessionId : "";
  return {
    kind,
    title: `A ${facts.riskClass} command on ${resourceOf(about)} ${what}`,
    urgency: "info",
    fields: [
      ...commandFields(resourceOf(about), facts),
      shown("rules", decision.rules),
      ...whoOf(about),
      ...(statement === undefined ? [] : [sensitive("statement", statement)]),
      ...fields,
      shown("session", sessionId),
      shown("command", commandId),
    ],
    next: [{ label: "Explain", command: `sallyport explain ${sessionId} ${commandId}`, path: `sessions/${sessionId}` }],
  };
}
