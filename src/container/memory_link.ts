import { DRAIN } from "../protocol/commands.ts";
import type { Downlink, DownlinkEvents, Downward, LinkState, Uplink, UplinkEvents, Upward } from "./link.ts";

/** A link inside one process: each send is a call. Cutting it loses nothing that has arrived and everything later. */
export class MemoryLink {
  readonly uplink: Uplink;
  readonly downlink: Downlink;
  #state: LinkState = "open";
  readonly #gateway: UplinkEvents;
  readonly #logic: DownlinkEvents;

  constructor(
    ids: { gateId: string; logicId: string; incarnation?: string },
    gateway: UplinkEvents,
    logic: DownlinkEvents,
  ) {
    this.#gateway = gateway;
    this.#logic = logic;
    const state = (): LinkState => this.#state;
    this.uplink = {
      peerId: ids.logicId,
      zone: "",
      youngUntilMs: 0,
      get state() {
        return state();
      },
      send: (packet) => this.#up(packet),
    };
    this.downlink = { peerId: ids.gateId, incarnation: ids.incarnation ?? "", send: (packet) => this.#down(packet) };
  }

  /** The logic server asks for no new channels. */
  drain(): void {
    if (this.#state !== "open") return;
    this.#state = "draining";
    this.#gateway.changed(this.uplink);
  }

  /** Both ends see the link gone. Cutting twice is harmless. */
  cut(): void {
    if (this.#state === "closed") return;
    this.#state = "closed";
    this.#logic.closed(this.downlink);
    this.#gateway.changed(this.uplink);
  }

  #up(packet: Upward): boolean {
    if (this.#state === "closed") return false;
    this.#logic.up(packet, this.downlink);
    return true;
  }

  #down(packet: Downward): boolean {
    if (this.#state === "closed") return false;
    if (packet.header.command === DRAIN) this.drain();
    else this.#gateway.down(packet, this.uplink);
    return true;
  }
}
