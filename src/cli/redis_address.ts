import { createConnection, type Socket as NetSocket } from "node:net";
import { connect as connectTls } from "node:tls";
import type { DialRedis } from "../services/redis_rest/redis_conn.ts";

/** Where a Redis is, and what a connection begins with. */
export interface RedisAddress {
  /** For people: without password. */
  readonly shown: string;
  readonly dial: DialRedis;
  readonly opening: readonly (readonly string[])[];
}

const DIAL_MS = 2_000;

/** `redis://user:password@host:6379/0`, `rediss://…` with TLS, `unix:/path`; undefined: it is none of these. */
export function parseRedisAddress(text: string): RedisAddress | undefined {
  const unix = /^unix:([^\0]+)$/.exec(text)?.[1];
  if (unix !== undefined) return { shown: text, dial: dialWith(() => createConnection({ path: unix })), opening: [] };
  if (!/^rediss?:\/\/./.test(text) || !URL.canParse(text)) return undefined;
  const url = new URL(text);
  const database = url.pathname.slice(1);
  if (!/^\d*$/.test(database) || url.hostname === "") return undefined;
  const host = url.hostname.replace(/^\[|\]$/g, "");
  const port = Number(url.port || 6379);
  const user = decodeURIComponent(url.username);
  const password = decodeURIComponent(url.password);
  const tls = url.protocol === "rediss:";
  return {
    shown: `${url.protocol}//${url.hostname}:${port}${database && `/${database}`}`,
    dial: dialWith(() => tls ? connectTls({ host, port, servername: host }) : createConnection({ host, port }), tls),
    opening: [
      ...(password ? [["AUTH", ...(user ? [user] : []), password]] : []),
      ...(database && database !== "0" ? [["SELECT", database]] : []),
    ],
  };
}

function dialWith(open: () => NetSocket, tls = false): DialRedis {
  return (events) =>
    new Promise((resolve, reject) => {
      const stream = open();
      let made = false;
      const timer = setTimeoutOn(stream, () => stream.destroy(new Error(`no connection in ${DIAL_MS} ms`)));
      stream.setNoDelay(true);
      stream.on("error", (error) => made || reject(new Error(wordsFor(error))));
      stream.on("close", () => {
        timer.stop();
        if (made) events.closed();
        else reject(new Error("nobody answers there"));
      });
      stream.once(tls ? "secureConnect" : "connect", () => {
        timer.stop();
        made = true;
        stream.on("data", (bytes: Uint8Array) => events.data(bytes));
        stream.on("drain", () => events.drained());
        resolve(socketOf(stream));
      });
    });
}

/** While it is connecting. */
function setTimeoutOn(stream: NetSocket, run: () => void): { stop(): void } {
  stream.setTimeout(DIAL_MS, run);
  return { stop: () => void stream.setTimeout(0) };
}

function wordsFor(error: Error): string {
  const code = "code" in error ? String(error.code) : "";
  return code === "ECONNREFUSED" || code === "ENOENT" ? "nobody answers there" : error.message || code;
}

function socketOf(stream: NetSocket): Awaited<ReturnType<DialRedis>> {
  return {
    remote: "redis",
    get queuedBytes() {
      return stream.writableLength;
    },
    write: (bytes) => stream.destroyed ? "closed" : stream.write(bytes) ? "sent" : "queued",
    pause: () => void stream.pause(),
    resume: () => void stream.resume(),
    end: () => void stream.end(),
    destroy: () => void stream.destroy(),
  };
}
