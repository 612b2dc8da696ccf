import { lookup } from "node:dns";
import { BlockList, isIP, type LookupFunction } from "node:net";

/** RFC 6890 and what came after it: addresses that lead into a private network, to this machine, or nowhere. */
const internal = new BlockList();
for (const [address, prefix] of [
  ["0.0.0.0", 8],
  ["10.0.0.0", 8],
  ["100.64.0.0", 10],
  ["127.0.0.0", 8],
  ["169.254.0.0", 16],
  ["172.16.0.0", 12],
  ["192.0.0.0", 24],
  ["192.0.2.0", 24],
  ["192.168.0.0", 16],
  ["198.18.0.0", 15],
  ["198.51.100.0", 24],
  ["203.0.113.0", 24],
  ["224.0.0.0", 4],
  ["240.0.0.0", 4],
] as const)
  internal.addSubnet(address, prefix, "ipv4");
for (const [address, prefix] of [
  ["::", 96],
  ["64:ff9b::", 96],
  ["100::", 64],
  ["2001:db8::", 32],
  ["2002::", 16],
  ["fc00::", 7],
  ["fe80::", 10],
  ["ff00::", 8],
] as const)
  internal.addSubnet(address, prefix, "ipv6");

const loopback = new BlockList();
loopback.addSubnet("127.0.0.0", 8, "ipv4");
loopback.addAddress("::1", "ipv6");

const isIn = (list: BlockList, address: string): boolean => list.check(address, isIP(address) === 6 ? "ipv6" : "ipv4");

/** A host of a URL: with brackets when it is an IPv6 address. */
export const isLoopbackHost = (host: string): boolean => host === "localhost" || (isIP(bare(host)) !== 0 && isIn(loopback, bare(host)));

const bare = (host: string): string => host.replace(/^\[|\]$/gu, "");

/** Which addresses a channel may be sent to: the public ones, and the private ones when it says so. This machine only when its URL does. */
export function mayReach(host: string, address: string, privateAddresses: boolean): boolean {
  if (isIn(loopback, address)) return isLoopbackHost(host);
  return privateAddresses || !isIn(internal, address);
}

/** A name that resolves to what may not be reached; decided on the very addresses that are connected to. */
export class AddressRefused extends Error {
  override readonly name = "AddressRefused";
}

export const guardedLookup =
  (host: string, privateAddresses: boolean): LookupFunction =>
  (hostname, options, callback) => {
    lookup(hostname, { ...options, all: true }, (error, found) => {
      if (error !== null) return callback(error, "");
      const [first] = found;
      if (first === undefined || !found.every(({ address }) => mayReach(host, address, privateAddresses)))
        return callback(new AddressRefused("The name leads to an address that this channel may not be sent to."), "");
      if (options.all === true) callback(null, found);
      else callback(null, first.address, first.family);
    });
  };

/** What a lookup would not be asked about. */
export function requireReachable(host: string, privateAddresses: boolean): void {
  const address = bare(host);
  if (isIP(address) !== 0 && !mayReach(host, address, privateAddresses)) throw new AddressRefused("The address is one that this channel may not be sent to.");
}
