/** A control-plane process; its stream tells when it could record and when it could not (I3). */
export type NodeEvent =
  | { readonly type: "NodeStarted"; readonly data: { readonly nodeId: string; readonly version: string } }
  | { readonly type: "FailClosedEntered"; readonly data: { readonly nodeId: string; readonly cause: string; readonly since: string } }
  | { readonly type: "FailClosedLeft"; readonly data: { readonly nodeId: string; readonly refusedCommands: number } }
  /** It keeps deciding under the version before, if there is one; without, it refuses everything. */
  | {
      readonly type: "PolicyLoadFailed";
      readonly data: { readonly nodeId: string; readonly policyVersion: string; readonly keeps: string; readonly cause: string };
    }
  | { readonly type: "NodeStopped"; readonly data: { readonly nodeId: string } };

export const nodeStream = (nodeId: string): string => `node-${nodeId}`;
