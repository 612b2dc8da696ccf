import { X509Certificate } from "node:crypto";
import { isIP } from "node:net";
import { connect, type DetailedPeerCertificate, type TLSSocket } from "node:tls";
import { SallyportError } from "@sallyport/proto/errors";

/** From the first packet to the end of the TLS handshake. */
export const PROBE_TIMEOUT_MS = 10_000;
/** Our own servers send two certificates; a longer chain is somebody else's. */
const MAX_CHAIN = 10;

export interface Address {
  readonly host: string;
  readonly port: number;
}

/** Fails with `join.invalid`: the address came out of a join token. */
export function parseAddress(text: string): Address {
  const url = URL.parse(`tls://${text}`);
  const port = Number(url?.port);
  if (url === null || url.hostname === "" || !(port > 0)) throw new SallyportError("join.invalid", "The join token holds no usable address.");
  return { host: url.hostname.replace(/^\[|\]$/gu, ""), port };
}

/**
 * The CA certificate with this SHA-256 fingerprint, out of the chain that the server presents. Nothing is sent on this
 * connection and nothing on it is believed but bytes whose hash is right; the caller then trusts this one CA only, and
 * the next handshake proves that the server has a key that it signed.
 *
 * Fails with `join.invalid` when the chain does not hold it, and with the socket's own error when there is no server.
 */
export async function findPinnedAuthority({ host, port }: Address, fingerprint: string): Promise<string> {
  const socket = connect({
    host,
    port,
    ALPNProtocols: ["h2"],
    rejectUnauthorized: false, // there is no root to check against yet: that is what the fingerprint is for
    ...(isIP(host) === 0 ? { servername: host } : {}),
  });
  try {
    await handshake(socket);
    const authority = chainOf(socket.getPeerCertificate(true)).find((certificate) => certificate.ca && fingerprintOf(certificate) === fingerprint);
    if (authority === undefined) {
      throw new SallyportError("join.invalid", "This is not the control plane that the join token names: its CA has another fingerprint.", {
        host,
        port: String(port),
      });
    }
    return authority.toString();
  } finally {
    socket.destroy();
  }
}

function handshake(socket: TLSSocket): Promise<void> {
  return new Promise((resolve, reject) => {
    socket.once("secureConnect", resolve);
    socket.once("error", reject);
    socket.once("close", () => reject(new Error("The connection was closed during the TLS handshake.")));
    socket.setTimeout(PROBE_TIMEOUT_MS, () => reject(new Error("The server did not finish the TLS handshake in time.")));
  });
}

function chainOf(leaf: DetailedPeerCertificate): X509Certificate[] {
  const chain: X509Certificate[] = [];
  // Typed as always there; in fact the object is empty without a certificate, and the last one may have no issuer.
  let next: Partial<DetailedPeerCertificate> | undefined = leaf;
  while (next?.raw !== undefined && chain.length < MAX_CHAIN) {
    const { raw, issuerCertificate }: Partial<DetailedPeerCertificate> = next;
    chain.push(new X509Certificate(raw));
    next = issuerCertificate === next ? undefined : issuerCertificate; // a self-signed one is its own issuer
  }
  return chain;
}

const fingerprintOf = ({ fingerprint256 }: X509Certificate): string => fingerprint256.replaceAll(":", "").toLowerCase();
