import type { Socket as NetSocket } from "node:net";
import { Duplex } from "node:stream";
import { connect } from "node:tls";
import { CA } from "../support/certificates.ts";

/** What is used of Deno's own streams; Bun's types know no Deno. */
interface DenoConn {
  handshake(): Promise<unknown>;
  read(into: Uint8Array): Promise<number | null>;
  write(bytes: Uint8Array): Promise<number>;
  closeWrite(): Promise<void>;
  close(): void;
}
interface WithDeno {
  readonly Deno?: { connectTls(to: { hostname: string; port: number; caCerts: string[] }): Promise<DenoConn> };
}

const AT = "127.0.0.1";

/**
 * A TLS stream to a port of this machine that is no code of ours, with half-closing. On Deno it is Deno's own: the client
 * of its `node:tls` goes on reading when it is paused.
 */
export async function tlsStream(port: number): Promise<NetSocket> {
  const { Deno } = globalThis as WithDeno;
  const to = { host: AT, port, ca: CA, allowHalfOpen: true };
  if (!Deno) return connect(to);
  const conn = await Deno.connectTls({ hostname: AT, port, caCerts: [CA] });
  await conn.handshake();
  const buffer = new Uint8Array(64 << 10);
  const stream = new Duplex({
    allowHalfOpen: true,
    read() {
      conn.read(buffer).then(
        (count) => this.push(count === null ? null : buffer.slice(0, count)),
        () => this.destroy(),
      );
    },
    write(bytes: Uint8Array, _encoding, done) {
      writeAll(conn, bytes).then(() => done(), done);
    },
    final: (done) => void conn.closeWrite().then(() => done(), done),
    destroy(_why, done) {
      conn.close();
      done(null);
    },
  });
  return Object.assign(stream, { setNoDelay() {} }) as unknown as NetSocket; // all that NetRaw uses
}

async function writeAll(conn: DenoConn, bytes: Uint8Array): Promise<void> {
  for (let at = 0; at < bytes.length;) at += await conn.write(bytes.subarray(at));
}
