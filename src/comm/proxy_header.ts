import { Deadline } from "../base/timer_wheel.ts";
import type { Socket, SocketEvents } from "./ports.ts";
import { remoteOf } from "./remote.ts";
import type { ConnEnv } from "./stream_conn.ts";

/** A proxy that is slower with its header is no proxy. */
const HEADER_WAIT_MS = 5_000;
/** Addresses and extensions behind the fixed part; more is refused. */
const REST_BYTES = 1 << 10;
const SIGNATURE = [0x0d, 0x0a, 0x0d, 0x0a, 0x00, 0x0d, 0x0a, 0x51, 0x55, 0x49, 0x54, 0x0a];
const FIXED_BYTES = 16;
const COMMAND = { LOCAL: 0x20, PROXY: 0x21 } as const;
const FAMILY = { TCP4: 0x11, TCP6: 0x21 } as const;

/** A header that was read. */
export interface ProxyHeader {
  /** `ip:port` of the client; undefined when the proxy speaks for itself (a health check). */
  readonly remote: string | undefined;
  readonly bytes: number;
}

/**
 * Reads a PROXY protocol header, version 2, at the start of a stream. Source: haproxy.org, "The PROXY protocol", 2.2.
 * Gives "more" while it is not complete, "bad" when it is none.
 */
export function readProxyHeader(bytes: Uint8Array): ProxyHeader | "more" | "bad" {
  for (let i = 0; i < Math.min(bytes.length, SIGNATURE.length); i++) if (bytes[i] !== SIGNATURE[i]) return "bad";
  if (bytes.length < FIXED_BYTES) return "more";
  const command = bytes[12]!;
  const family = bytes[13]!;
  const rest = bytes[14]! << 8 | bytes[15]!;
  if ((command !== COMMAND.LOCAL && command !== COMMAND.PROXY) || rest > REST_BYTES) return "bad";
  const end = FIXED_BYTES + rest;
  if (bytes.length < end) return "more";
  if (command === COMMAND.LOCAL) return { remote: undefined, bytes: end };
  const size = family === FAMILY.TCP4 ? 4 : family === FAMILY.TCP6 ? 16 : 0;
  if (size === 0) return { remote: undefined, bytes: end }; // UNSPEC, UNIX: no address that we could use
  if (rest < 2 * size + 4) return "bad";
  const address = bytes.subarray(FIXED_BYTES, FIXED_BYTES + size);
  const port = FIXED_BYTES + 2 * size;
  const remote = remoteOf(size === 4 ? address.join(".") : ipv6(address), bytes[port]! << 8 | bytes[port + 1]!);
  return { remote, bytes: end };
}

/** The start of a stream that comes through a trusted proxy: takes the header, then lets the owner begin. */
export class ProxyOpening extends Deadline implements SocketEvents {
  readonly #socket: Socket;
  readonly #begin: (remote: string | undefined) => SocketEvents;
  #head = new Uint8Array(0);
  #owner: SocketEvents | undefined;
  readonly #env: ConnEnv;

  /** @param begin gives who gets the stream's events from now on; the first is what came behind the header. */
  constructor(socket: Socket, env: ConnEnv, begin: (remote: string | undefined) => SocketEvents) {
    super();
    this.#socket = socket;
    this.#env = env;
    this.#begin = begin;
    env.wheel.wakeIn(this, HEADER_WAIT_MS);
  }

  data(bytes: Uint8Array): void {
    if (this.#owner) return this.#owner.data(bytes);
    const head = new Uint8Array(this.#head.length + bytes.length);
    head.set(this.#head);
    head.set(bytes, this.#head.length);
    this.#head = head;
    const header = readProxyHeader(head);
    if (header === "more") return;
    this.#env.wheel.remove(this);
    if (header === "bad") {
      this.#env.log.warn("a trusted proxy sent no PROXY header", { remote: this.#socket.remote });
      return this.#socket.destroy();
    }
    this.#owner = this.#begin(header.remote);
    if (head.length > header.bytes) this.#owner.data(head.subarray(header.bytes));
  }

  drained(): void {
    this.#owner?.drained();
  }

  closed(): void {
    this.#env.wheel.remove(this);
    this.#owner?.closed();
  }

  expired(): void {
    this.#socket.destroy();
  }
}

/** Eight groups without leading zeros, the longest run of zeros left out. Source: RFC 5952. */
function ipv6(address: Uint8Array): string {
  const groups = Array.from({ length: 8 }, (_, i) => address[2 * i]! << 8 | address[2 * i + 1]!);
  if (groups.slice(0, 5).every((one) => one === 0) && groups[5] === 0xffff) {
    return `::ffff:${address.subarray(12).join(".")}`;
  }
  let from = 0;
  let length = 0;
  for (let i = 0; i < 8; i++) {
    let zeros = 0;
    while (i + zeros < 8 && groups[i + zeros] === 0) zeros++;
    if (zeros > length) [from, length] = [i, zeros];
  }
  const text = (part: number[]) => part.map((one) => one.toString(16)).join(":");
  if (length < 2) return text(groups);
  return `${text(groups.slice(0, from))}::${text(groups.slice(from + length))}`;
}
