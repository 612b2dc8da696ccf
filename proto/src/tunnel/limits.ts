/** Bounds of the tunnel, the same on both ends. Sizes are bytes, times are milliseconds. */

/** Raised when a peer of the older version could misread a frame; both ends must say the same. */
export const TUNNEL_VERSION = 1;

/** Small enough that a session waits for little of its neighbours' data, large enough that bulk pays few headers. */
export const MAX_DATA_BYTES = 64 * 1024;

/** A Report that names every column of PostgreSQL's widest result (1,664 names of 63 bytes) still fits. */
export const MAX_CONTROL_BYTES = 128 * 1024;

/** A batch is closed by the frame that takes it past this: what one session adds to the delay of another. */
export const MAX_BATCH_BYTES = 256 * 1024;

/** The most that one gRPC message of the data stream may hold; gRPC itself refuses more, before it is buffered. */
export const MAX_MESSAGE_BYTES = MAX_BATCH_BYTES + MAX_CONTROL_BYTES;

/** Batches given to gRPC and not yet to the socket. More only lengthens the queue that a new frame has to wait behind. */
export const MAX_UNFLUSHED_BYTES = 2 * MAX_BATCH_BYTES;

/** Per session and direction: fills 25 MB/s at 40 ms; what one reader that stops may hold. */
export const DEFAULT_WINDOW_BYTES = 1024 * 1024;

/** A peer may not ask for, or grow to, more than this. */
export const MAX_WINDOW_BYTES = 64 * 1024 * 1024;

/** `send` answers false from here: four full turns, so that a fast session never runs dry between two turns. */
export const SEND_HIGH_WATER_BYTES = 256 * 1024;

/** `drained` is called below this. */
export const SEND_LOW_WATER_BYTES = 64 * 1024;

/** An owner that goes on after `false` is a defect, and is stopped here. One message of any size may be sent before. */
export const MAX_QUEUED_BYTES = 256 * 1024 * 1024;

/** What a control frame counts for in the send queue, so that frames without data are bounded too. */
export const CONTROL_COST_BYTES = 256;

/** Sessions of one link, those included whose close the peer has not confirmed. */
export const MAX_SESSIONS_PER_LINK = 10_000;

/** How long queued data may wait for credit, without any progress, after an orderly close. */
export const CLOSE_STALL_MS = 30_000;

/** The same after a close with a code: revoking must reach the other end within a second. */
export const ABORT_STALL_MS = 500;

/** Shared by all sessions of a link, so it must exceed what 40 ms hold at 100 MB/s (4 MB) several times over. */
export const HTTP2_WINDOW_BYTES = 16 * 1024 * 1024;

/** gRPC keepalive: a dead link is noticed within 20 s, and stateful firewalls see traffic in time. */
export const KEEPALIVE_TIME_MS = 10_000;
export const KEEPALIVE_TIMEOUT_MS = 10_000;

/** From the first byte of a connection to Welcome and the data stream. */
export const HANDSHAKE_TIMEOUT_MS = 10_000;

/** A join token is a few hundred characters; nothing longer is looked at. */
export const MAX_JOIN_TOKEN_CHARS = 2_048;

/** Trailer in which a refused call carries its code of the error table. */
export const ERROR_CODE_METADATA = "sallyport-error-code";
/** Of an answer that leaves out what a later release wrote: how many streams, and how many events of lists. */
export const LEFT_OUT_METADATA = "sallyport-left-out";
