import type * as pkt from "../../protocol/gen/pkt_messages.ts";
import type { ClientChannel } from "./client_channel.ts";

/** Rooms that may change for a channel while its login is answered; with more it has to come again. */
const EARLY = 256;
/** Groups that a channel left: a joining before that may come later, by another server. */
const LEFT = 64;

/** Changes of channels' rooms that count for what comes after them. Of two the one with the higher seq is the later. */
export class RoomChanges {
  /** By group: for channels whose login is being answered. They are newer than the answer. */
  readonly #early = new Map<ClientChannel, Map<string, pkt.RoomChange>>();
  /** Where channels left groups last, by group. */
  readonly #left = new Map<ClientChannel, Map<string, number>>();

  /** A change while the login is answered. False: too many. */
  early(channel: ClientChannel, change: pkt.RoomChange): boolean {
    const changes = groupsOf(this.#early, channel);
    if (change.seq >= (changes.get(change.groupId)?.seq ?? 0)) changes.set(change.groupId, change);
    return changes.size <= EARLY;
  }

  takeEarly(channel: ClientChannel): ReadonlyMap<string, pkt.RoomChange> | undefined {
    const changes = this.#early.get(channel);
    this.#early.delete(channel);
    return changes;
  }

  left(channel: ClientChannel, group: string, seq: number): void {
    const groups = groupsOf(this.#left, channel);
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

function groupsOf<T>(channels: Map<ClientChannel, Map<string, T>>, channel: ClientChannel): Map<string, T> {
  let groups = channels.get(channel);
  if (!groups) channels.set(channel, groups = new Map());
  return groups;
}
