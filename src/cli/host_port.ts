import { resolve } from "node:path";
import type { ListenAt } from "../comm/ports.ts";

/**
 * `localhost:8000`, `203.0.113.7:80`, `[::1]:8000`, `gate.example:8000`; `:8000` is every address of this machine.
 * IPv6 stands in brackets and comes back without. Port 0 means any free one. undefined: it is none of these.
 */
export function parseHostPort(text: string): ListenAt | undefined {
  const match = /^(?:\[([0-9a-fA-F:.]+)\]|([A-Za-z0-9._-]*)):(\d{1,5})$/.exec(text);
  const port = Number(match?.[3]);
  if (!match || port > 65_535) return undefined;
  const [, v6, name] = match;
  if (v6 !== undefined) return URL.canParse(`http://[${v6}]/`) ? { hostname: v6, port } : undefined;
  return { hostname: name || "0.0.0.0", port };
}

/** As `parseHostPort`, or `unix:/run/petrel/petrel.sock`, whose folder may be relative. */
export function parseAddress(text: string): ListenAt | undefined {
  const path = /^unix:([^\0]+)$/.exec(text)?.[1];
  return path === undefined ? parseHostPort(text) : { hostname: "", port: 0, unix: resolve(path) };
}

/** As `parseAddress` reads it. */
export function formatHostPort({ hostname, port, unix }: ListenAt): string {
  if (unix !== undefined) return `unix:${unix}`;
  return hostname.includes(":") ? `[${hostname}]:${port}` : `${hostname}:${port}`;
}

/** Can only this machine reach it? */
export function isLoopback(hostname: string): boolean {
  return hostname === "localhost" || hostname === "::1" || /^127\.\d+\.\d+\.\d+$/.test(hostname);
}
