import { createHash, randomBytes } from "node:crypto";
import type { Socket } from "node:net";
import { SallyportError } from "@sallyport/proto/errors";
import { decodeFields } from "@sallyport/proto/wire/postgres/backend";
import { encodeFrame, type Frame } from "@sallyport/proto/wire/postgres/frames";
import { backend, frontend } from "@sallyport/proto/wire/postgres/message-types";
import { PayloadReader } from "@sallyport/proto/wire/postgres/reader";
import { encodeStartupMessage, MAX_STARTUP_BYTES } from "@sallyport/proto/wire/postgres/startup";
import { readCredential } from "../../secrets/credential.ts";
import type { Connection } from "./connection.ts";
import { serverRefusal } from "./failure.ts";
import { MessageReader } from "./message-reader.ts";
import type { PostgresResource } from "./resource.ts";
import { clientFinal, clientFirst, SCRAM_SHA_256, SCRAM_SHA_256_PLUS, ScramViolation, verifyServerFinal } from "./scram.ts";

/** Longest message that a login has a use for; libpq draws the line at 30,000. */
export const MAX_LOGIN_MESSAGE_BYTES = 64 * 1024;
/** Settings and notices of a real server take about 1 KiB; a hostile one could send them without end. */
export const MAX_GREETING_BYTES = 256 * 1024;
/** Protocol 3.0 has 4, protocol 3.2 up to 256. */
export const MAX_CANCEL_KEY_BYTES = 256;

/** What authorizes a CancelRequest for this session. It never leaves the agent. */
export interface BackendKey {
  readonly processId: number;
  readonly key: Buffer;
}

export interface LoggedIn {
  /** ParameterStatus and NoticeResponse messages as received, then ReadyForQuery. */
  readonly greeting: Buffer;
  /** Undefined on servers that cannot be asked to cancel. */
  readonly backendKey: BackendKey | undefined;
}

/** Kinds of AuthenticationRequest (PostgreSQL, "Message Formats"). */
const request = { ok: 0, cleartext: 3, md5: 5, sasl: 10, saslContinue: 11, saslFinal: 12 } as const;

/**
 * The startup packet, authentication, and what follows up to the first ReadyForQuery; not a byte more is read.
 * Protocol 3.0 is asked for: 3.2 adds longer cancel keys only, and poolers and older servers drop the connection over it.
 */
export async function login({ socket, channelBinding }: Connection, resource: PostgresResource, parameters: ReadonlyMap<string, string>): Promise<LoggedIn> {
  using reader = new MessageReader(socket);
  const startup = encodeStartupMessage(parameters);
  if (startup.length > MAX_STARTUP_BYTES) throw new SallyportError("input.invalid", `The startup parameters are over ${MAX_STARTUP_BYTES} bytes.`);
  socket.write(startup);

  const greeting: Buffer[] = [];
  let greetingBytes = 0;
  const keep = (frame: Frame): void => {
    greetingBytes += frame.raw.length;
    if (greetingBytes > MAX_GREETING_BYTES) throw refused(resource, "sent a greeting without end");
    greeting.push(frame.raw);
  };
  /** The next message that is not a mere remark. */
  const next = async (): Promise<Frame> => {
    for (;;) {
      const frame = await reader.message(MAX_LOGIN_MESSAGE_BYTES);
      if (frame.type === backend.errorResponse) throw serverRefusal(decodeFields(frame.payload), resource.name, resource.host);
      if (frame.type === backend.noticeResponse) keep(frame);
      else if (frame.type !== backend.negotiateProtocolVersion) return frame;
    }
  };

  await authenticate(socket, resource, channelBinding, next);
  let backendKey: BackendKey | undefined;
  for (;;) {
    const frame = await next();
    if (frame.type === backend.backendKeyData) {
      backendKey = decodeBackendKey(frame.payload);
      continue;
    }
    if (frame.type !== backend.parameterStatus && frame.type !== backend.readyForQuery) throw refused(resource, "does not answer as a PostgreSQL server does");
    keep(frame);
    if (frame.type === backend.readyForQuery) return { greeting: Buffer.concat(greeting), backendKey };
  }
}

async function authenticate(socket: Socket, resource: PostgresResource, channelBinding: Buffer | undefined, next: () => Promise<Frame>): Promise<void> {
  const send = (payload: Buffer): boolean => socket.write(encodeFrame(frontend.password, payload));
  const nextRequest = async (): Promise<{ kind: number; reader: PayloadReader }> => {
    const frame = await next();
    if (frame.type !== backend.authentication) throw refused(resource, "does not answer as a PostgreSQL server does");
    const reader = new PayloadReader(frame.payload);
    return { kind: reader.int32(), reader };
  };

  const { kind, reader } = await nextRequest();
  switch (kind) {
    case request.ok:
      return;
    case request.cleartext:
      send(Buffer.from(`${await password(resource)}\0`));
      break;
    case request.md5:
      send(Buffer.from(`${md5Answer(resource.user, await password(resource), reader.bytes(4))}\0`));
      break;
    case request.sasl: {
      const offered = new Set<string>();
      for (let name = reader.cstring(); name.length > 0; name = reader.cstring()) offered.add(name.toString("latin1"));
      const bound = channelBinding !== undefined && offered.has(SCRAM_SHA_256_PLUS);
      if (!bound && !offered.has(SCRAM_SHA_256)) throw refused(resource, "asks for a login method that the agent does not speak");
      const input = {
        user: "",
        password: await password(resource),
        nonce: randomBytes(18).toString("base64"),
        channelBinding: bound ? channelBinding : undefined,
      };
      send(saslInitialResponse(bound ? SCRAM_SHA_256_PLUS : SCRAM_SHA_256, clientFirst(input)));
      try {
        const final = await clientFinal(input, await saslText(nextRequest, request.saslContinue));
        send(Buffer.from(final.message));
        verifyServerFinal(final, await saslText(nextRequest, request.saslFinal));
      } catch (error) {
        if (error instanceof ScramViolation) throw refused(resource, `failed the SCRAM exchange: ${error.message}`);
        throw error;
      }
      break;
    }
    default:
      throw refused(resource, "asks for a login method that the agent does not speak");
  }
  // One exchange only: a second request would be for the same password in a weaker form.
  if ((await nextRequest()).kind !== request.ok) throw refused(resource, "asks for a second login");
}

async function saslText(nextRequest: () => Promise<{ kind: number; reader: PayloadReader }>, expected: number): Promise<string> {
  const { kind, reader } = await nextRequest();
  if (kind !== expected) throw new ScramViolation("a step is missing");
  return reader.bytes(reader.rest).toString("utf8");
}

/** string mechanism, int32 length, byte[n] first message */
function saslInitialResponse(mechanism: string, first: string): Buffer {
  const length = Buffer.allocUnsafe(4);
  length.writeInt32BE(Buffer.byteLength(first));
  return Buffer.concat([Buffer.from(`${mechanism}\0`), length, Buffer.from(first)]);
}

/** "md5" and md5(md5(password, user), salt), in hexadecimal. */
function md5Answer(user: string, secret: string, salt: Buffer): string {
  const inner = createHash("md5").update(secret).update(user).digest("hex");
  return `md5${createHash("md5").update(inner).update(salt).digest("hex")}`;
}

/** int32 process id, byte[n] key */
function decodeBackendKey(payload: Buffer): BackendKey {
  const reader = new PayloadReader(payload);
  const processId = reader.uint32();
  if (reader.rest < 4 || reader.rest > MAX_CANCEL_KEY_BYTES) throw new SallyportError("wire.malformed", "The cancel key has an impossible length.");
  return { processId, key: Buffer.from(reader.bytes(reader.rest)) };
}

async function password(resource: PostgresResource): Promise<string> {
  if (resource.password === undefined) {
    throw new SallyportError("target.credential", `Resource "${resource.name}" asks for a password, and none is configured.`, { resource: resource.name });
  }
  return readCredential(resource.password, resource.name);
}

const refused = ({ name }: PostgresResource, what: string): SallyportError =>
  new SallyportError("target.refused", `Resource "${name}" ${what}.`, { resource: name });
