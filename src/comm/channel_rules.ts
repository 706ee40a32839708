/** When a queue is too long, a peer too slow or too silent. Bytes and ms. */
export interface ChannelRules {
  /** More waiting pushes close the channel. */
  readonly pushBytes: number;
  /** While as many bytes of replies wait, the channel is not read; below half it is again. */
  readonly replyBytes: number;
  /** A byte that waits longer closes the channel. */
  readonly oldestMs: number;
  /** Nothing received for so long closes the channel. */
  readonly readWaitMs: number;
}

export const CHANNEL_RULES: ChannelRules = {
  pushBytes: 256 << 10,
  replyBytes: 256 << 10,
  oldestMs: 10_000,
  readWaitMs: 120_000,
};
