import type { Acceptor, Admission, Refusal } from "../../comm/acceptor.ts";
import type { Agent, MessageListener, StateListener } from "../../comm/listeners.ts";
import type { CloseReason } from "../../protocol/close_reason.ts";
import type { ClientChannel } from "./client_channel.ts";
import type { Gateway } from "./gateway.ts";

/** Joins a gateway to the connections of a comm Server: first packets, later packets, pings, and the end. */
export class GatewayClients
  implements Acceptor<ClientChannel>, MessageListener<ClientChannel>, StateListener<ClientChannel> {
  readonly #gateway: Gateway;

  constructor(gateway: Gateway) {
    this.#gateway = gateway;
  }

  accept(agent: Agent, packet: Uint8Array): Admission<ClientChannel> | Refusal {
    const outcome = this.#gateway.first(agent, agent.remoteIp, packet);
    if (!("at" in outcome)) return { id: outcome.id, data: outcome };
    return outcome.packet ? { refuse: outcome.why, reply: outcome.packet } : { refuse: outcome.why };
  }

  receive(channel: Agent<ClientChannel>, packet: Uint8Array): void {
    this.#gateway.receive(channel.data, packet);
  }

  pinged(channel: Agent<ClientChannel>): void {
    this.#gateway.pinged(channel.data);
  }

  disconnected(channel: Agent<ClientChannel>, why: CloseReason): void {
    this.#gateway.disconnected(channel.data, why);
  }
}
