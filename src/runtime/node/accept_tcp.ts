import type { Accept, ListenAt, Socket, SocketEvents } from "../../comm/ports.ts";
import { ProxyOpening } from "../../comm/proxy_header.ts";
import { ipOf } from "../../comm/remote.ts";
import type { ConnEnv } from "../../comm/stream_conn.ts";
import { TcpConn } from "../../comm/tcp_conn.ts";

/** A runtime's stream whose owner may change. */
export interface Accepted extends Socket {
  remote: string;
  events: SocketEvents;
}

/** Makes a new TCP stream a connection; one of a proxy that is trusted, after its header. */
export function acceptTcp(socket: Accepted, at: ListenAt, env: ConnEnv, accept: Accept): void {
  const begin = (remote: string = socket.remote): SocketEvents => {
    socket.remote = remote;
    const conn = new TcpConn(socket, env);
    socket.events = conn;
    conn.begin(accept);
    return conn;
  };
  const plain = at.unix !== undefined || !at.tls; // a header in front of a handshake cannot be read on Bun
  if (plain && at.isProxy?.(ipOf(socket.remote))) socket.events = new ProxyOpening(socket, env, begin);
  else begin();
}
