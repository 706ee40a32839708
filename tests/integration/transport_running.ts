import { listenTcp, serveHttp } from "#runtime";
import { systemClock } from "../../src/base/clock.ts";
import { silent } from "../../src/base/logger.ts";
import type { Agent } from "../../src/comm/listeners.ts";
import { Server, type ServerOptions } from "../../src/comm/server.ts";
import { CLOSE, type CloseReason } from "../../src/protocol/close_reason.ts";
import { OPCODE } from "../../src/protocol/frame.ts";
import { bytes, clientFrame, text } from "../contract/listen_support.ts";
import { NetRaw } from "../contract/wirings.ts";

const LOCAL = { hostname: "127.0.0.1", port: 0 } as const;

/** A server on real sockets, TCP and WebSocket. The first packet is the name; everything else is echoed. */
export class Running implements AsyncDisposable {
  readonly server: Server<undefined>;
  readonly ends: [string, CloseReason][] = [];
  tcp = 0;
  ws = 0;
  onPacket: (channel: Agent, packet: Uint8Array) => void = (channel, packet) => void channel.reply(packet.slice());

  private constructor(options: Partial<ServerOptions>) {
    this.server = new Server<undefined>({ drainMs: 0, ...options }, {
      clock: systemClock,
      log: silent,
      acceptor: {
        accept: (_agent, packet) => {
          const id = text(packet);
          return id === "nobody" ? { refuse: CLOSE.UNAUTHORIZED, reply: bytes("not you") } : { id, data: undefined };
        },
      },
      messages: { receive: (channel, packet) => this.onPacket(channel, packet) },
      states: { disconnected: (channel, why) => void this.ends.push([channel.id, why]) },
    });
  }

  static async start(options: Partial<ServerOptions> = {}): Promise<Running> {
    const running = new Running(options);
    const { server } = running;
    const tcp = await listenTcp(LOCAL, server.accept);
    const ws = await serveHttp(LOCAL, (request, env) => {
      const accept = server.acceptFrom(env.remote);
      return accept ? env.upgrade(request, accept) : new Response("full\n", { status: 503 });
    });
    server.listening(tcp);
    server.listening(ws);
    running.tcp = tcp.port;
    running.ws = ws.port;
    return running;
  }

  async raw(transport: "tcp" | "ws", first?: string): Promise<NetRaw> {
    const raw = new NetRaw(transport === "tcp" ? this.tcp : this.ws);
    if (transport === "ws") await raw.handshake();
    raw.socket.on("end", () => raw.end());
    if (first !== undefined) raw.write(clientFrame(transport, OPCODE.BINARY, bytes(first)));
    return raw;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.server.stop();
  }
}

export const TRANSPORTS = ["tcp", "ws"] as const;
