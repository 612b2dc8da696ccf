import { createHash } from "node:crypto";
import { readFile } from "node:fs/promises";
import { isIP, type Socket } from "node:net";
import { connect, type TLSSocket } from "node:tls";
import { SallyportError } from "@sallyport/proto/errors";
import { encodeSslRequest } from "@sallyport/proto/wire/postgres/startup";
import { type Connection, settled } from "./connection.ts";
import { MessageReader } from "./message-reader.ts";
import { type PostgresResource, tlsModeOf } from "./resource.ts";

/**
 * SSLRequest, one byte of answer, then TLS on the same connection.
 *
 * T1. Bytes that came along with the answer were sent before any encryption: somebody on the way may have put them there (CVE-2021-23222).
 * T2. A server that says no is refused; there is no falling back to plaintext.
 */
export async function negotiateTls(socket: Socket, resource: PostgresResource): Promise<Connection> {
  const refuse = (message: string) => new SallyportError("target.refused", message, { resource: resource.name });
  const files = await readTlsFiles(resource);
  socket.write(encodeSslRequest());
  const answer = await firstByte(socket);
  if (answer !== "S") throw refuse(`Resource "${resource.name}" does not offer TLS, which its configuration requires.`);
  if (socket.readableLength > 0) throw refuse(`Resource "${resource.name}" sent bytes ahead of the TLS handshake.`);

  const mode = tlsModeOf(resource);
  const secure = connect({
    socket,
    host: resource.host,
    // A name only: an address is not allowed in SNI, and is checked against the certificate all the same.
    ...(isIP(resource.host) === 0 ? { servername: resource.host } : {}),
    ...files,
    rejectUnauthorized: mode !== "require",
    ...(mode === "verify-full" ? {} : { checkServerIdentity: () => undefined }),
    minVersion: "TLSv1.2",
    ALPNProtocols: ["postgresql"],
  });
  await settled(secure, "secureConnect");
  return { socket: secure, transport: `${secure.getProtocol() ?? "TLS"} ${secure.getCipher().name} ${mode}`, channelBinding: certificateHash(secure) };
}

async function firstByte(socket: Socket): Promise<string> {
  using reader = new MessageReader(socket);
  return (await reader.bytes(1)).toString("latin1");
}

async function readTlsFiles({ name, tls }: PostgresResource): Promise<{ ca?: Buffer; cert?: Buffer; key?: Buffer }> {
  try {
    return {
      ...(tls.caFile === undefined ? {} : { ca: await readFile(tls.caFile) }),
      ...(tls.certFile === undefined ? {} : { cert: await readFile(tls.certFile) }),
      ...(tls.keyFile === undefined ? {} : { key: await readFile(tls.keyFile) }),
    };
  } catch (error) {
    throw new SallyportError("target.credential", `A TLS file of resource "${name}" could not be read.`, { resource: name }, error);
  }
}

/**
 * tls-server-end-point (RFC 5929): the certificate under the hash of its own signature, SHA-256 in place of MD5 and SHA-1.
 * None where the signature names no hash (Ed25519, RSA-PSS): the login then does without the binding.
 */
function certificateHash(socket: TLSSocket): Buffer | undefined {
  const certificate = socket.getPeerX509Certificate();
  const hash = /(md5|sha-?(?:1|224|256|384|512))(?!\d)/i
    .exec(certificate?.signatureAlgorithm ?? "")?.[1]
    ?.toLowerCase()
    .replace("-", "");
  if (certificate === undefined || hash === undefined) return undefined;
  return createHash(hash === "md5" || hash === "sha1" ? "sha256" : hash)
    .update(certificate.raw)
    .digest();
}
