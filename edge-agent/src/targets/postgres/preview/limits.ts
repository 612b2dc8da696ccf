/** Bounds of one preview. Times are milliseconds, sizes bytes unless they say otherwise. */

/** Of the whole of it, from the connection to the answer; then the target is asked to cancel and the connection is cut. */
export const PREVIEW_TIMEOUT_MS = 20_000;
/** Of any statement that the target runs for it. Rows that a dry run changed stay locked until it is rolled back, so it is short. */
export const PREVIEW_STATEMENT_TIMEOUT_MS = 5_000;
/** Of the dry run of a plan, all its commands together: rows that the first one changed stay locked until the last one has run. */
export const PREVIEW_PLAN_TIMEOUT_MS = 10_000;
/** A dry run waits for nobody: where the rows are locked, it gives up sooner than it stands in anybody's way. */
export const PREVIEW_LOCK_TIMEOUT_MS = 1_000;
/** Should the agent die in the middle, the server rolls back after this at the latest, even if it does not see the connection go. */
export const PREVIEW_IDLE_TIMEOUT_MS = 5_000;
/** Rows are found by a scan of their table; where that takes longer, the count has to do. */
export const PREVIEW_SAMPLE_TIMEOUT_MS = 2_000;

/** Each holds a connection of the target. The control plane asks for one at a time; this is for several of its nodes. */
export const MAX_PREVIEWS_AT_ONCE = 4;
/** A row, or a line of a plan, that is longer than this fails the preview. */
export const MAX_PREVIEW_MESSAGE_BYTES = 1_048_576;
/** Rows before, and rows after: enough to see what is meant. */
export const MAX_SAMPLE_ROWS = 5;
/** Of all rows of one sample, as the target sends them; also of what is kept of them: two samples and a plan fit into one frame. */
export const MAX_SAMPLE_BYTES = 32_768;
export const MAX_SAMPLE_COLUMNS = 60;
/** Characters of one cell that are shown. */
export const MAX_SAMPLE_CELL_LENGTH = 200;
/** A plan of some hundred lines; the frame that carries it has room for little more. */
export const MAX_PLAN_BYTES = 32_768;
