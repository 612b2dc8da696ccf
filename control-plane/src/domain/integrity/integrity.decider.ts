import { SallyportError } from "@sallyport/proto/errors";
import type { IntegrityEvent } from "./integrity.events.ts";

type DataOf<T extends IntegrityEvent["type"]> = Extract<IntegrityEvent, { type: T }>["data"];

export type IntegrityCommand =
  | ({ readonly type: "SignCheckpoint" } & DataOf<"CheckpointSigned">)
  | ({ readonly type: "RotateSigningKey" } & DataOf<"SigningKeyRotated">);

export interface IntegrityState {
  /** What is covered. */
  readonly treeSize: number;
  /** Empty until something was signed. */
  readonly key: string;
}

export const initialState: IntegrityState = { treeSize: 0, key: "" };

export function decide(command: IntegrityCommand, state: IntegrityState): IntegrityEvent[] {
  const { type: _type, ...data } = command;
  switch (command.type) {
    case "SignCheckpoint":
      if (state.key !== "" && state.key !== command.key) throw notTheKey();
      // Another node was first.
      if (command.treeSize <= state.treeSize) return [];
      return [{ type: "CheckpointSigned", data: data as DataOf<"CheckpointSigned"> }];
    case "RotateSigningKey":
      if (state.key === command.newKey) return [];
      if (state.key !== "" && state.key !== command.oldKey) throw notTheKey();
      return [{ type: "SigningKeyRotated", data: data as DataOf<"SigningKeyRotated"> }];
  }
}

export function evolve(state: IntegrityState, event: IntegrityEvent): IntegrityState {
  switch (event.type) {
    case "CheckpointSigned":
      return { treeSize: event.data.treeSize, key: event.data.key };
    case "SigningKeyRotated":
      return { ...state, key: event.data.newKey };
  }
}

const notTheKey = (): SallyportError =>
  new SallyportError("config.invalid", "The log is signed with another key. A new key needs the one before it, to hand over (SALLYPORT_SIGNING_KEY_PREVIOUS).");
