import { idOfStream } from "../../domain/record-streams.ts";
import type { SessionEvent } from "../../domain/session/session.events.ts";
import type { Change, Projected } from "./change.ts";

export interface SessionWrites {
  readonly sessionRequested: readonly [
    position: bigint,
    id: string,
    identity: string,
    kind: string,
    resource: string,
    protocol: string,
    application: string,
    clientAddress: string,
    nodeId: string,
    at: string,
  ];
  readonly sessionOpened: readonly [agentId: string, emergency: number, id: string];
  readonly sessionRefused: readonly [at: string, code: string, message: string, id: string];
  readonly sessionEnded: readonly [at: string, cause: string, message: string, commands: number, id: string];
}

export function projectSession({ event, recorded: { stream, position }, metadata: { at } }: Projected<SessionEvent>): Change[] {
  const id = idOfStream(stream);
  switch (event.type) {
    case "SessionRequested": {
      const { identity, resource, protocol, application, clientAddress, nodeId } = event.data;
      return [["sessionRequested", position, id, identity.id, identity.kind, resource, protocol, application, clientAddress, nodeId, at]];
    }
    case "SessionOpened":
      return [["sessionOpened", event.data.agentId, event.data.emergency === true ? 1 : 0, id]];
    case "SessionRefused":
      return [["sessionRefused", at, event.data.code, event.data.message, id]];
    case "SessionEnded":
      return [["sessionEnded", at, event.data.cause, event.data.message, event.data.commands, id]];
    default:
      return []; // of its commands, which have a model of their own
  }
}
