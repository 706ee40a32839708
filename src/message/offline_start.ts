import type { Clock } from "../base/clock.ts";
import type { InboxRange, MessageStore } from "./message_store.ts";

const DAY_MS = 24 * 3600_000;
const HORIZON_MS = 15 * DAY_MS;

export interface OfflineDeps {
  readonly clock: Clock;
  readonly messages: Pick<MessageStore, "acked" | "position">;
  /** Moves a read position; may fail. */
  readonly ack: (app: string, account: string, device: string, pos: number) => Promise<unknown>;
}

/**
 * Where an index page after message M starts. M = 0: at the device's read position; any other M acknowledges; one that
 * is unknown starts a day ago. Source: proto/WIRE.md "Offline synchronisation".
 */
export async function offlineStart(
  deps: OfflineDeps,
  app: string,
  account: string,
  device: string,
  messageId: bigint,
): Promise<Pick<InboxRange, "after" | "since">> {
  if (messageId === 0n) {
    return { after: await deps.messages.acked(app, account, device), since: ago(deps.clock, HORIZON_MS) };
  }
  const after = await deps.messages.position(app, account, messageId);
  if (after === undefined) return { after: 0, since: ago(deps.clock, DAY_MS) };
  try {
    await deps.ack(app, account, device, after);
  } catch {
    // What cannot be written now does not keep the client from reading: it will see these rows once more.
  }
  return { after, since: ago(deps.clock, HORIZON_MS) };
}

/** Unix nanoseconds: an old client's index does not go back further. */
export function offlineHorizon(clock: Clock): bigint {
  return ago(clock, HORIZON_MS);
}

function ago(clock: Clock, ms: number): bigint {
  return BigInt(Math.max(0, Math.floor(clock.now() - ms))) * 1_000_000n;
}
