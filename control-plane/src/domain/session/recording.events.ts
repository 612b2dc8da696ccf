/** What passed, in chunks. `sequence` counts within the recording, from 0. */
export type RecordingEvent =
  | {
      /** Statement and parameters of a command that are too long for its own event; written, and durable, before it. */
      readonly type: "InputRecorded";
      readonly data: {
        readonly sequence: number;
        readonly commandId: number;
        /** `statement`, or the zero-based index of the parameter. */
        readonly part: "statement" | number;
        readonly offset: number;
        readonly base64: string;
      };
    }
  | {
      /** What the client saw (I2: after masking), gzip-compressed backend messages; a long one may go on in the next chunk of the command. */
      readonly type: "OutputRecorded";
      readonly data: {
        readonly sequence: number;
        readonly commandId: number;
        /** Before compression. */
        readonly bytes: number;
        readonly gzipBase64: string;
      };
    }
  | {
      /** What the client sent for COPY, gzip-compressed frontend messages; written, and durable, before the target gets them. A long one may go on in the next chunk. */
      readonly type: "CopyDataRecorded";
      readonly data: {
        readonly sequence: number;
        readonly commandId: number;
        /** Before compression. */
        readonly bytes: number;
        readonly gzipBase64: string;
      };
    };

export const recordingStream = (sessionId: string): string => `recording-${sessionId}`;
