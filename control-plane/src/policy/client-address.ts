import { isIP } from "node:net";

/**
 * The address that policy looks at, of one as a socket and the record have it: with a port, and, where a listener takes both families,
 * with IPv4 inside IPv6, which no IPv4 range of a rule would meet. Undefined for anything else.
 */
export function hostOf(address: string): string | undefined {
  const host = isIP(address) === 0 ? address.slice(0, Math.max(0, address.lastIndexOf(":"))).replace(/^\[(.*)\]$/u, "$1") : address;
  const plain = /^::ffff:(\d+(?:\.\d+){3})$/iu.exec(host)?.[1] ?? host;
  return isIP(plain) === 0 ? undefined : plain;
}
