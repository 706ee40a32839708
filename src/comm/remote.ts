/** The `remote` of peers on a unix socket, which have no address. */
export const UNIX = "unix";

/** `203.0.113.7:51234`, `[2001:db8::1]:51234`. IPv4 addresses in IPv6 clothes (`::ffff:…`) are shown as IPv4. */
export function remoteOf(address: string, port: number): string {
  const ip = address.startsWith("::ffff:") && address.includes(".") ? address.slice(7) : address;
  return ip.includes(":") ? `[${ip}]:${port}` : `${ip}:${port}`;
}

/** The address of a `remote`, without port and brackets; `unix` stays. */
export function ipOf(remote: string): string {
  if (remote === UNIX) return remote;
  const ip = remote.slice(0, remote.lastIndexOf(":"));
  return ip.startsWith("[") ? ip.slice(1, -1) : ip;
}
