import assert from "node:assert/strict";
import { once } from "node:events";
import { createServer, type Server, type Socket } from "node:net";
import { after, describe, it } from "node:test";
import {
  encodeAuthentication,
  encodeBackendKeyData,
  encodeErrorResponse,
  encodeParameterStatus,
  encodeReadyForQuery,
} from "@sallyport/proto/wire/postgres/backend";
import { encodeFrame } from "@sallyport/proto/wire/postgres/frames";
import { backend } from "@sallyport/proto/wire/postgres/message-types";
import { decodeStartup } from "@sallyport/proto/wire/postgres/startup";
import { openSession, resourceOf, startSession } from "./postgres-target-server.ts";

const ok = encodeAuthentication(0);
const key = (bytes: number) => encodeBackendKeyData(7, Buffer.alloc(bytes, 7));
const authentication = (kind: number, rest = "") => {
  const head = Buffer.alloc(4);
  head.writeInt32BE(kind);
  return encodeFrame(backend.authentication, Buffer.concat([head, Buffer.from(rest)]));
};

/** Listens on a loopback port and treats each connection as it is told, until the suite is over. */
const servers = new Set<{ server: Server; sockets: Set<Socket> }>();
after(() => {
  for (const { server, sockets } of servers) {
    for (const socket of sockets) socket.destroy();
    server.close();
  }
});
async function peer(treat: (socket: Socket) => void): Promise<{ host: string; port: number; sockets: Set<Socket> }> {
  const sockets = new Set<Socket>();
  const server = createServer((socket) => {
    sockets.add(socket);
    socket.on("error", () => undefined).on("close", () => sockets.delete(socket));
    treat(socket);
  });
  servers.add({ server, sockets });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  const address = server.address();
  assert.ok(address !== null && typeof address === "object");
  return { host: "127.0.0.1", port: address.port, sockets };
}

/** Answers the first packet with `bytes`. */
const answering = (...answers: Buffer[]) => peer((socket) => socket.once("data", () => socket.write(Buffer.concat(answers))));

const tls = { mode: "require" };
const withPassword = { password: { env: "PATH" } };

async function refusal(at: Awaited<ReturnType<typeof peer>>, more: Record<string, unknown> = {}, limits: Parameters<typeof openSession>[1] = {}) {
  const { outcome } = await openSession(resourceOf(at, more), limits);
  assert.ok("code" in outcome, "was opened");
  return `${outcome.code}: ${outcome.message}`;
}

describe("a target that does not play by the rules", () => {
  it("is refused when bytes come with the answer to SSLRequest, before any encryption (CVE-2021-23222)", async () => {
    assert.match(await refusal(await answering(Buffer.from("S"), ok, encodeReadyForQuery("I")), { tls }), /^target.refused: .*ahead of the TLS handshake/);
  });

  it("is refused when it has no TLS and the resource requires it; nothing is sent in the clear", async () => {
    const sent: Buffer[] = [];
    const at = await peer((socket) => socket.on("data", (bytes: Buffer) => sent.push(bytes) && socket.write("N")));
    assert.match(await refusal(at, { tls: {} }), /^target.refused: .*does not offer TLS/);
    assert.equal(Buffer.concat(sent).length, 8, "the SSLRequest and nothing after it");
  });

  it("is refused when it answers in another protocol, or with a message that has no end", async () => {
    for (const answer of ["HTTP/1.1 400 Bad Request\r\n\r\n", "R\x00\x00\x00\x01", "R\x7f\xff\xff\xff", "Z\x00\x00\x00\x05I"]) {
      assert.match(await refusal(await answering(Buffer.from(answer, "latin1"))), /^target.refused: /, answer);
    }
  });

  it("is refused when its greeting does not end", async () => {
    const setting = encodeParameterStatus("x", "y".repeat(60_000));
    assert.match(await refusal(await answering(ok, ...Array.from({ length: 6 }, () => setting))), /^target.refused: .*greeting without end/);
  });

  it("is refused when it asks for Kerberos, for SCRAM of another kind, or once more in a weaker form", async () => {
    for (const answer of [authentication(7), authentication(10, "SCRAM-SHA-512\0\0"), authentication(99)]) {
      assert.match(await refusal(await answering(answer), withPassword), /^target.refused: .*does not speak/);
    }
    assert.match(await refusal(await answering(authentication(5, "salt"), authentication(3)), withPassword), /^target.refused: .*second login/);
  });

  it("is refused when it skips the proof that it knows the password", async () => {
    const at = await answering(authentication(10, "SCRAM-SHA-256\0\0"), ok);
    assert.match(await refusal(at, withPassword), /^target.refused: .*SCRAM/);
  });

  it("is unreachable when it closes, or says nothing, at any step", async () => {
    for (const said of [Buffer.alloc(0), ok, ok.subarray(0, 3), Buffer.concat([ok, key(4)])]) {
      const closing = await peer((socket) => socket.once("data", () => socket.end(said)));
      assert.match(await refusal(closing), /^target.unreachable: .*closed the connection/);
      const silent = await answering(said);
      assert.match(await refusal(silent, {}, { timeouts: { loginTimeoutMs: 100 } }), /^target.unreachable: .*in time/);
    }
    const silent = await peer(() => undefined);
    assert.match(await refusal(silent, { tls }, { timeouts: { loginTimeoutMs: 100 } }), /^target.unreachable: .*in time/);
    assert.match(await refusal(await answering(Buffer.from("S")), { tls }, { timeouts: { loginTimeoutMs: 100 } }), /^target.unreachable: .*in time/);
  });

  it("is unreachable, not refusing, when it has no room now or is starting", async () => {
    for (const sqlstate of ["53300", "57P03"]) {
      const answer = encodeErrorResponse({ severity: "FATAL", sqlstate, message: "not now, 10.1.2.3 and fe80::1" });
      assert.match(await refusal(await answering(answer)), /^target.unreachable: .*not now, \[address\] and \[address\]/);
    }
  });

  it("gets a cancel request with a key of 256 bytes back, and is refused over a longer one", async () => {
    const cancelled = Promise.withResolvers<Buffer>();
    const at = await peer((socket) =>
      socket.once("data", (bytes: Buffer) => {
        const first = decodeStartup(bytes);
        if (first?.packet.kind === "startup") socket.write(Buffer.concat([ok, key(256), encodeReadyForQuery("I")]));
        if (first?.packet.kind === "cancel") {
          cancelled.resolve(first.packet.key);
          socket.end();
        }
      }),
    );
    const { channel, outcome } = await openSession(resourceOf(at));
    assert.ok("greeting" in outcome);
    channel.control({ $case: "cancel", value: {} });
    assert.deepEqual(await cancelled.promise, Buffer.alloc(256, 7));
    channel.hangUp();
    assert.match(await refusal(await answering(ok, key(257), encodeReadyForQuery("I"))), /^target.refused: /);
  });

  it("loses its socket when the session is closed during the login", { timeout: 5_000 }, async () => {
    const gone = Promise.withResolvers<void>();
    const reached = Promise.withResolvers<void>();
    const at = await peer((socket) => {
      socket.on("close", () => gone.resolve());
      socket.once("data", () => reached.resolve());
    });
    const { channel } = startSession(resourceOf(at));
    await reached.promise;
    channel.hangUp();
    await gone.promise;
    assert.deepEqual(channel.posted, []);
  });
});
