/**
 * What waits to leave one channel, in order, in two blocks: `packets`, not yet handed to the connection, and what the
 * connection was handed last and has not sent (`held…`, only while `blocked`). Pushes and replies are counted apart.
 * A channel has one only while something waits.
 */
export class Outbox {
  readonly packets: Uint8Array[] = [];
  pushBytes = 0;
  replyBytes = 0;
  /** Monotonic ms of the first packet. */
  sinceMs = 0;

  blocked = false;
  heldPushBytes = 0;
  heldReplyBytes = 0;
  heldSinceMs = 0;

  get bytes(): number {
    return this.pushBytes + this.replyBytes + this.heldPushBytes + this.heldReplyBytes;
  }

  add(packet: Uint8Array, isReply: boolean): void {
    // hot: per packet
    this.packets.push(packet);
    if (isReply) this.replyBytes += packet.length;
    else this.pushBytes += packet.length;
  }

  /** The connection took all packets and says "queued". */
  block(): void {
    this.blocked = true;
    this.heldPushBytes += this.pushBytes;
    this.heldReplyBytes += this.replyBytes;
    this.heldSinceMs = this.sinceMs;
    this.empty();
  }

  /** The connection has sent what it held; tells how many bytes those were. */
  unblock(): number {
    const held = this.heldPushBytes + this.heldReplyBytes;
    this.blocked = false;
    this.heldPushBytes = this.heldReplyBytes = 0;
    return held;
  }

  /** All packets have been handed on. */
  empty(): void {
    this.packets.length = 0;
    this.pushBytes = this.replyBytes = 0;
  }
}
