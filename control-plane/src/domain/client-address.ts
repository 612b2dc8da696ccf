/**
 * The address of a client, of what is recorded of it: with the port behind it, and an IPv4 address as a listener for both families
 * says it (`::ffff:10.0.0.1`). Policy compares addresses of one family with ranges of the same.
 */
export function addressOf(endpoint: string): string {
  const address = endpoint.slice(0, endpoint.lastIndexOf(":"));
  const mapped = /^::ffff:(\d+\.\d+\.\d+\.\d+)$/i.exec(address)?.[1];
  return mapped ?? address;
}
