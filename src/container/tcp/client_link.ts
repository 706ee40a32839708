import type { Clock } from "../../base/clock.ts";
import type { Agent } from "../../comm/listeners.ts";
import type { CloseReason } from "../../protocol/close_reason.ts";
import { LIMITS } from "../../protocol/limits.ts";
import type { LinkState, Uplink, Upward } from "../link.ts";
import { Pulse, type PulseTimes, TO_KIM_PULSE } from "./pulse.ts";
import { encodeUp } from "./up_codec.ts";

/** What a link's owner gives it. */
export interface ClientLinkHost {
  readonly clock: Clock;
  /** Service id of the logic server. */
  readonly logicId: string;
  readonly zone: string;
  readonly youngUntilMs: number;
  readonly pulse: PulseTimes;
  /** More waiting bytes take no further request. */
  readonly queueBytes: number;
}

/** A gateway's end of one TCP link: of one connection, after its handshake. */
export class ClientLink implements Uplink {
  readonly peerId: string;
  readonly zone: string;
  readonly youngUntilMs: number;
  readonly kim: boolean;
  readonly pulse: Pulse;
  readonly #agent: Agent;
  readonly #host: ClientLinkHost;
  #state: LinkState = "open";

  constructor(agent: Agent, kim: boolean, host: ClientLinkHost) {
    this.peerId = host.logicId;
    this.zone = host.zone;
    this.youngUntilMs = host.youngUntilMs;
    this.kim = kim;
    this.pulse = new Pulse(agent, host.clock, kim ? TO_KIM_PULSE : host.pulse);
    this.#agent = agent;
    this.#host = host;
  }

  get state(): LinkState {
    return this.#state;
  }

  send(packet: Upward): boolean {
    // hot: per packet
    const { clock, queueBytes } = this.#host;
    if (this.#state === "closed" || this.#agent.queuedPushBytes > queueBytes) return false;
    if (this.kim && (packet.content !== "protobuf" || packet.header.command.startsWith("im."))) return false;
    const now = clock.mono();
    const bytes = encodeUp(packet, this.kim, now);
    if (bytes.length > LIMITS.link.frameBytes) return false;
    this.pulse.sent(now);
    return this.#agent.push(bytes);
  }

  /** The logic server wants no new channels. False: that was known. */
  drain(): boolean {
    if (this.#state !== "open") return false;
    this.#state = "draining";
    return true;
  }

  /** Ends it: nothing is sent or told any more. False: it had ended. */
  end(why: CloseReason): boolean {
    if (this.#state === "closed") return false;
    this.#state = "closed";
    this.#agent.close(why);
    return true;
  }
}
