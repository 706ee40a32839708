import type { Downward, LinkState, Uplink, Upward } from "../../container/link.ts";

/** From 0 up to, not including, 1: the same for the same seed. */
export function randomOf(seed: number): () => number {
  let state = seed;
  return () => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return state / 2 ** 32;
  };
}

/** A link whose packets wait in both directions until a test takes them. */
export class WaitingLink implements Uplink {
  readonly zone = "";
  readonly youngUntilMs = 0;
  readonly peerId: string;
  state: LinkState = "open";
  full = false;
  readonly up: Upward[] = [];
  readonly down: Downward[] = [];

  constructor(peerId: string) {
    this.peerId = peerId;
  }

  send(packet: Upward): boolean {
    if (this.state === "closed" || this.full) return false;
    this.up.push(packet);
    return true;
  }
}
