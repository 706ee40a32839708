import net from "node:net";
import { FrameSplitter, type StreamUnit } from "./frame_splitter.ts";
import { FLAG, PacketScan } from "./packet.ts";

/**
 * The ways a connection is cut:
 * - **reset**: both sides at once, whatever is on its way.
 * - **silence**: both sides stay open and nothing passes any more; closed later.
 * - **no reply**: the next talk is passed on, nothing comes back any more; closed a moment later.
 * - **half a request**: of the next talk only the first half is passed on.
 * - **half a push**: of the next packet from the server only the first half is passed on.
 * - **refuse**: reset, and for a while nobody can connect.
 */
export const CUTS = ["no reply", "reset", "silence", "half a request", "half a push", "refuse"] as const;
export type Cut = (typeof CUTS)[number];

/** How a connection will end, and when. */
export interface CutPlan {
  readonly kind: Cut;
  /** Milliseconds from the answered upgrade to the cut, or to waiting for the packet it needs. */
  readonly afterMs: number;
  /** "silence", "no reply": how long until it is closed. "refuse": how long nobody can connect. */
  readonly thenMs: number;
}

export interface CutEvents {
  /** It was cut, with so many talks given to the server whose answers the client was not given. */
  cut(kind: Cut, unanswered: number): void;
  closed(): void;
}

const scan = new PacketScan();

/**
 * One client connection and the server's side of it. Passes on whole frames, until it is cut.
 *
 *   open ──afterMs──► armed ──the packet it needs, or nothing for as long again──► cut
 *                       └──"silence", "no reply"──► mute ──thenMs──► cut
 */
export class CutConn {
  readonly #client: net.Socket;
  readonly #server: net.Socket;
  readonly #events: CutEvents;
  /** Undefined: it is left alone. */
  #plan: CutPlan | undefined;
  #state: "open" | "armed" | "mute" | "over" = "open";
  #timer: ReturnType<typeof setTimeout> | undefined;
  /** Sequences of the talks on their way. */
  readonly #asked = new Set<number>();

  constructor(
    client: net.Socket,
    target: { readonly host: string; readonly port: number },
    plan: CutPlan | undefined,
    events: CutEvents,
  ) {
    this.#client = client;
    this.#server = net.connect({ host: target.host, port: target.port, noDelay: true });
    this.#plan = plan;
    this.#events = events;
    this.#join(this.#client, this.#server, (unit) => this.#fromClient(unit));
    this.#join(this.#server, this.#client, (unit) => this.#fromServer(unit));
  }

  /** Not cut any more; one that is mute ends now. */
  calm(): void {
    this.#plan = undefined;
    clearTimeout(this.#timer);
    if (this.#state === "mute") this.destroy();
    else if (this.#state === "armed") this.#state = "open";
  }

  destroy(): void {
    if (this.#state === "over") return;
    this.#state = "over";
    clearTimeout(this.#timer);
    this.#client.destroy();
    this.#server.destroy();
    this.#events.closed();
  }

  #join(from: net.Socket, to: net.Socket, passed: (unit: StreamUnit) => void): void {
    const splitter = new FrameSplitter(passed);
    from.on("data", (bytes: Uint8Array) => {
      if (this.#state === "over") return;
      try {
        splitter.push(bytes);
      } catch {
        return this.destroy(); // an endless frame: no client or server of ours sends one
      }
      if (to.writableLength <= 1 << 20) return;
      from.pause();
      to.once("drain", () => from.resume());
    });
    from.on("error", () => {}); // "close" follows
    from.on("end", () => {
      if (this.#state !== "over" && this.#state !== "mute") to.end();
    });
    from.on("close", () => {
      if (to.destroyed || this.#state !== "mute") this.#ended();
    });
  }

  /** One side closed by itself: the other may still have bytes to be given. */
  #ended(): void {
    if (this.#state === "over") return;
    clearTimeout(this.#timer);
    this.#state = "over";
    for (const socket of [this.#client, this.#server]) {
      if (!socket.destroyed) socket.end(() => socket.destroy());
    }
    this.#events.closed();
  }

  #fromClient({ raw, packet }: StreamUnit): void {
    if (this.#state === "mute" || this.#state === "over") return;
    const talk = packet !== undefined && scan.scan(packet, 0, packet.length) && scan.kind === "talk" &&
      scan.flag === FLAG.REQUEST;
    const kind = this.#state === "armed" ? this.#plan?.kind : undefined;
    if (talk && kind === "half a request") return this.#half(this.#server, raw);
    this.#server.write(raw.slice());
    if (!talk) return;
    this.#asked.add(scan.sequence);
    if (kind === "no reply") this.#mute();
  }

  #fromServer({ raw, packet }: StreamUnit): void {
    if (this.#state === "mute" || this.#state === "over") return;
    if (packet !== undefined && this.#state === "armed" && this.#plan?.kind === "half a push") {
      return this.#half(this.#client, raw);
    }
    this.#client.write(raw.slice());
    if (packet === undefined) return this.#upgraded();
    if (scan.scan(packet, 0, packet.length) && scan.kind === "talk" && scan.flag === FLAG.RESPONSE) {
      this.#asked.delete(scan.sequence);
    }
  }

  /** The server's first bytes: from here on the connection lives. */
  #upgraded(): void {
    if (this.#timer !== undefined || this.#plan === undefined) return;
    this.#timer = setTimeout(() => this.#due(), this.#plan.afterMs);
  }

  #due(): void {
    const plan = this.#plan;
    if (plan === undefined || this.#state !== "open") return;
    if (plan.kind === "reset" || plan.kind === "refuse") return this.#cut();
    if (plan.kind === "silence") return this.#mute();
    this.#state = "armed";
    this.#timer = setTimeout(() => this.#cut(), plan.afterMs);
  }

  #mute(): void {
    this.#state = "mute";
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => this.#cut(), this.#plan?.thenMs ?? 0);
  }

  /** The first half of a frame leaves, then both sides are gone. */
  #half(to: net.Socket, raw: Uint8Array): void {
    this.#state = "mute";
    clearTimeout(this.#timer);
    to.write(raw.slice(0, raw.length >> 1), () => this.#cut());
  }

  #cut(): void {
    if (this.#state === "over") return;
    if (this.#plan !== undefined) this.#events.cut(this.#plan.kind, this.#asked.size);
    this.destroy();
  }
}
