import type * as pkt from "../../protocol/gen/pkt_messages.ts";
import type { ClientChannel } from "./client_channel.ts";

/** Changes of a channel's rooms while its login is answered; with more it has to come again. */
const EARLY = 256;
/** Groups that a channel left: a joining before that may come later, by another server. */
const LEFT = 64;

/** Changes of channels' rooms that count for what comes after them. Of two the one with the higher seq is the later. */
export class RoomChanges {
  /** In the order they came, for channels whose login is being answered. */
  readonly #early = new Map<ClientChannel, pkt.RoomChange[]>();
  /** Where channels left groups last, by group. */
  readonly #left = new Map<ClientChannel, Map<string, number>>();

  /** A change while the login is answered. False: too many. */
  early(channel: ClientChannel, change: pkt.RoomChange): boolean {
    const changes = this.#early.get(channel);
    if (changes) changes.push(change);
    else this.#early.set(channel, [change]);
    return (changes?.length ?? 0) <= EARLY;
  }

  takeEarly(channel: ClientChannel): readonly pkt.RoomChange[] {
    const changes = this.#early.get(channel);
    this.#early.delete(channel);
    return changes ?? NONE;
  }

  left(channel: ClientChannel, group: string, seq: number): void {
    let groups = this.#left.get(channel);
    if (!groups) this.#left.set(channel, groups = new Map());
    groups.set(group, Math.max(seq, groups.get(group) ?? 0));
    if (groups.size > LEFT) groups.delete(groups.keys().next().value!);
  }

  /** Where the channel left the group last; -1: it did not. */
  leftAt(channel: ClientChannel, group: string): number {
    return this.#left.get(channel)?.get(group) ?? -1;
  }

  forget(channel: ClientChannel): void {
    this.#early.delete(channel);
    this.#left.delete(channel);
  }
}

const NONE: readonly pkt.RoomChange[] = [];
