import { SallyportError } from "../errors.ts";
import {
  Cancel,
  Close,
  DescribeCopy,
  type Frame,
  Obligations,
  Open,
  Opened,
  Previewed,
  Report,
  ResultLineage,
  Trace,
  Traced,
} from "../gen/sallyport/tunnel/v1/tunnel.ts";
import { MAX_CONTROL_BYTES, MAX_DATA_BYTES, MAX_MESSAGE_BYTES } from "./limits.ts";
import { varintLength, VarintReader, writeVarint } from "./varint.ts";

/**
 * DataRequest and DataResponse (tunnel.proto), same bytes as ts-proto's codec:
 *   0x0a  varint length  Frame            repeated
 * Frame
 *   0x08  varint session
 *   0x12  varint length  bytes            data
 *   0x18  varint                          credit
 *   0x22 … 0x72  varint length  message   open, opened, obligations, report, cancel, close, describeCopy, resultLineage, previewed, trace, traced
 *
 * ts-proto copies each payload once on decode and twice on encode. Here encode is one allocation, and decoded data are
 * slices of the message: whoever keeps a small one keeps the whole message.
 */
type Body = NonNullable<Frame["body"]>;
type MessageBody = Exclude<Body, { $case: "data" | "credit" }>;

/** A control frame is encoded when it is posted: its size is known then, and later changes of the value cannot show. */
export interface EncodedBody {
  readonly $case: "encoded";
  readonly tag: number;
  readonly value: Uint8Array;
}

/** Data that several sends have queued travels as one frame without being joined first. */
export type OutBody = EncodedBody | { readonly $case: "data"; readonly value: readonly Buffer[] } | { readonly $case: "credit"; readonly value: number };

export interface OutFrame {
  readonly session: number;
  readonly body: OutBody;
}

export interface InFrame {
  readonly session: number;
  readonly body: Body;
}

const FRAMES_TAG = 0x0a;
const SESSION_TAG = 0x08;
const DATA_TAG = 0x12;
const CREDIT_TAG = 0x18;

const messageTags = {
  open: 0x22,
  opened: 0x2a,
  obligations: 0x32,
  report: 0x3a,
  cancel: 0x42,
  close: 0x4a,
  describeCopy: 0x52,
  resultLineage: 0x5a,
  previewed: 0x62,
  trace: 0x6a,
  traced: 0x72,
} as const satisfies Record<MessageBody["$case"], number>;

interface Planned {
  readonly session: number;
  readonly tag: number;
  /** The credit's value, or the length of the payload. */
  readonly number: number;
  readonly payload: readonly Uint8Array[];
  readonly length: number;
}

export function encodeFrames(frames: readonly OutFrame[]): Buffer {
  let total = 0;
  const plans: Planned[] = [];
  for (const frame of frames) {
    const plan = planFrame(frame);
    plans.push(plan);
    total += 1 + varintLength(plan.length) + plan.length;
  }
  const out = Buffer.allocUnsafe(total);
  let at = 0;
  for (const plan of plans) {
    out[at++] = FRAMES_TAG;
    at = writeVarint(out, at, plan.length);
    if (plan.session !== 0) {
      out[at++] = SESSION_TAG;
      at = writeVarint(out, at, plan.session);
    }
    out[at++] = plan.tag;
    at = writeVarint(out, at, plan.number);
    for (const part of plan.payload) {
      out.set(part, at);
      at += part.length;
    }
  }
  return out;
}

function planFrame({ session, body }: OutFrame): Planned {
  const head = session === 0 ? 0 : 1 + varintLength(session);
  switch (body.$case) {
    case "credit":
      return { session, tag: CREDIT_TAG, number: body.value, payload: [], length: head + 1 + varintLength(body.value) };
    case "encoded":
      return {
        session,
        tag: body.tag,
        number: body.value.length,
        payload: [body.value],
        length: head + 1 + varintLength(body.value.length) + body.value.length,
      };
    case "data": {
      let size = 0;
      for (const part of body.value) size += part.length;
      return { session, tag: DATA_TAG, number: size, payload: body.value, length: head + 1 + varintLength(size) + size };
    }
  }
}

/** Throws `wire.too_large` past MAX_CONTROL_BYTES. */
export function encodeBody(body: MessageBody): EncodedBody {
  const value = encodeMessage(body);
  if (value.length > MAX_CONTROL_BYTES) {
    throw new SallyportError("wire.too_large", "Control frame is too long for the tunnel.", { kind: body.$case, bytes: String(value.length) });
  }
  return { $case: "encoded", tag: messageTags[body.$case], value };
}

function encodeMessage(body: MessageBody): Uint8Array {
  switch (body.$case) {
    case "open":
      return Open.encode(body.value).finish();
    case "opened":
      return Opened.encode(body.value).finish();
    case "obligations":
      return Obligations.encode(body.value).finish();
    case "report":
      return Report.encode(body.value).finish();
    case "cancel":
      return Cancel.encode(body.value).finish();
    case "close":
      return Close.encode(body.value).finish();
    case "describeCopy":
      return DescribeCopy.encode(body.value).finish();
    case "resultLineage":
      return ResultLineage.encode(body.value).finish();
    case "previewed":
      return Previewed.encode(body.value).finish();
    case "trace":
      return Trace.encode(body.value).finish();
    case "traced":
      return Traced.encode(body.value).finish();
  }
}

/** Throws `wire.malformed`, and nothing else, whatever the bytes. */
export function decodeFrames(message: Buffer): InFrame[] {
  if (message.length > MAX_MESSAGE_BYTES) throw malformed("Data message is too long.");
  const reader = new VarintReader(message, 0, message.length);
  const frames: InFrame[] = [];
  while (!reader.done) {
    const tag = reader.uint32();
    if (tag !== FRAMES_TAG) {
      reader.skip(tag);
      continue;
    }
    const length = reader.uint32();
    frames.push(decodeFrame(message, reader.take(length), length));
  }
  return frames;
}

function decodeFrame(message: Buffer, start: number, length: number): InFrame {
  const reader = new VarintReader(message, start, start + length);
  let session = 0;
  let body: Body | undefined;
  while (!reader.done) {
    const tag = reader.uint32();
    if (tag === SESSION_TAG) {
      session = reader.uint32();
    } else if (tag === CREDIT_TAG) {
      body = { $case: "credit", value: reader.uint32() };
    } else if (tag === DATA_TAG) {
      const size = reader.uint32();
      if (size > MAX_DATA_BYTES) throw malformed("Data frame is too long.");
      const at = reader.take(size);
      body = { $case: "data", value: message.subarray(at, at + size) };
    } else if (tag >= messageTags.open && tag <= messageTags.traced && (tag & 7) === 2) {
      const size = reader.uint32();
      if (size > MAX_CONTROL_BYTES) throw malformed("Control frame is too long.");
      const at = reader.take(size);
      body = decodeMessage(tag, message.subarray(at, at + size));
    } else {
      reader.skip(tag);
    }
  }
  if (body === undefined) throw malformed("Frame without a body that this version knows.");
  return { session, body };
}

function decodeMessage(tag: number, bytes: Buffer): Body {
  try {
    switch (tag) {
      case messageTags.open:
        return { $case: "open", value: Open.decode(bytes) };
      case messageTags.opened:
        return { $case: "opened", value: Opened.decode(bytes) };
      case messageTags.obligations:
        return { $case: "obligations", value: Obligations.decode(bytes) };
      case messageTags.report:
        return { $case: "report", value: Report.decode(bytes) };
      case messageTags.cancel:
        return { $case: "cancel", value: Cancel.decode(bytes) };
      case messageTags.close:
        return { $case: "close", value: Close.decode(bytes) };
      case messageTags.describeCopy:
        return { $case: "describeCopy", value: DescribeCopy.decode(bytes) };
      case messageTags.resultLineage:
        return { $case: "resultLineage", value: ResultLineage.decode(bytes) };
      case messageTags.previewed:
        return { $case: "previewed", value: Previewed.decode(bytes) };
      case messageTags.trace:
        return { $case: "trace", value: Trace.decode(bytes) };
      default:
        return { $case: "traced", value: Traced.decode(bytes) };
    }
  } catch (error) {
    // ts-proto throws RangeError and plain Error for what the peer sent.
    throw malformed("Control frame does not parse.", error);
  }
}

const malformed = (message: string, cause?: unknown): SallyportError => new SallyportError("wire.malformed", message, {}, cause);
