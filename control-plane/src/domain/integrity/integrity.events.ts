/** What vouches for the log itself. Instants, hashes and signatures are in the notation that is signed (proto/src/audit). */
export type IntegrityEvent =
  /** A signed tree head over the first `treeSize` events; `leaves` names each event since the one before by four bytes of its hash. */
  | {
      readonly type: "CheckpointSigned";
      readonly data: {
        readonly treeSize: number;
        readonly root: string;
        readonly time: string;
        readonly position: string;
        readonly leaves: string;
        readonly key: string;
        readonly signature: string;
      };
    }
  /** Signed by both keys: the old one hands over, the new one shows that it is held. */
  | {
      readonly type: "SigningKeyRotated";
      readonly data: {
        readonly oldKey: string;
        readonly newKey: string;
        readonly time: string;
        readonly oldSignature: string;
        readonly newSignature: string;
      };
    };

export const integrityStream = "log-checkpoints";
