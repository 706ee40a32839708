import type { Clock } from "../../base/clock.ts";
import type { Agent } from "../../comm/listeners.ts";
import type { CloseReason } from "../../protocol/close_reason.ts";
import { LOOK } from "../../protocol/commands.ts";
import { FLAG } from "../../protocol/header.ts";
import { LIMITS } from "../../protocol/limits.ts";
import { tell } from "../dispatch.ts";
import type { Downlink, Downward } from "../link.ts";
import { encodeDown, splitChannels } from "./down_codec.ts";
import type { Hello } from "./handshake.ts";
import { FROM_KIM_PULSE, Pulse, type PulseTimes } from "./pulse.ts";
import type { UpFrom } from "./up_codec.ts";

/** What a link's owner is told and decides for all its links. Sizes in bytes. */
export interface ServerLinkHost {
  readonly clock: Clock;
  readonly pulse: PulseTimes;
  readonly startWithinMs: number;
  /** More waiting bytes take no further push. */
  readonly queueBytes: number;
  /** More waiting bytes cut the link, because nothing but pushes is ever dropped. */
  readonly cutBytes: number;
  /** Pushes to so many channels were not taken. */
  dropped(link: ServerLink, channels: number): void;
  /** A reply that does not fit one frame. */
  tooLarge(link: ServerLink, command: string, bytes: number): void;
  /** Replies wait that nobody reads. */
  overfull(link: ServerLink): void;
}

/** A logic server's end of one TCP link. */
export class ServerLink implements Downlink, UpFrom {
  readonly peerId: string;
  readonly incarnation: string;
  readonly kim: boolean;
  readonly timeMs: number;
  readonly agent: Agent;
  readonly pulse: Pulse;
  readonly #host: ServerLinkHost;
  #open = true;
  /** Pushes were dropped and the gateway does not know. */
  #missed = false;

  constructor(hello: Hello, agent: Agent, host: ServerLinkHost) {
    this.peerId = hello.gateId;
    this.incarnation = hello.incarnation;
    this.kim = hello.incarnation === "";
    this.timeMs = hello.timeMs;
    this.agent = agent;
    this.pulse = new Pulse(agent, host.clock, this.kim ? FROM_KIM_PULSE : host.pulse);
    this.#host = host;
  }

  get gateId(): string {
    return this.peerId;
  }

  get startWithinMs(): number {
    return this.#host.startWithinMs;
  }

  get open(): boolean {
    return this.#open;
  }

  send(packet: Downward): boolean {
    // hot: per packet
    if (!this.#open) return false;
    if (this.kim && (packet.own || packet.room !== undefined || packet.header.command.startsWith("im."))) return false;
    const { channels } = packet;
    if (channels.length < 2) return this.#write(packet);
    let all = true;
    for (const part of splitChannels(packet)) if (!this.#write(part)) all = false;
    return all;
  }

  /** Called several times a second: what was dropped is told once there is room again. */
  beat(): void {
    if (this.#missed && this.#open && this.agent.queuedPushBytes < this.#host.queueBytes / 2) {
      this.#missed = false;
      tell(this, LOOK);
    }
  }

  /** Ends it: nothing is sent or told any more. False: it had ended. */
  end(why: CloseReason): boolean {
    if (!this.#open) return false;
    this.#open = false;
    this.agent.close(why);
    return true;
  }

  #write(packet: Downward): boolean {
    const { clock, queueBytes, cutBytes } = this.#host;
    const waiting = this.agent.queuedPushBytes;
    if (waiting > queueBytes && mayDrop(packet)) return this.#drop(packet);
    const bytes = encodeDown(packet, this.kim);
    if (bytes.length > LIMITS.link.frameBytes) {
      this.#host.tooLarge(this, packet.header.command, bytes.length);
      return false;
    }
    if (waiting + bytes.length > cutBytes && !mayDrop(packet)) {
      this.#host.overfull(this);
      return false;
    }
    this.pulse.sent(clock.mono());
    return this.agent.push(bytes);
  }

  #drop(packet: Downward): false {
    this.#missed = true;
    this.#host.dropped(this, packet.channels.length);
    return false;
  }
}

/** A push to clients: it is in the store. What speaks to the gateway itself (`im.drain`) is said only once. */
function mayDrop({ header, channels, room }: Downward): boolean {
  return header.flag !== FLAG.RESPONSE && (channels.length > 0 || room !== undefined);
}
