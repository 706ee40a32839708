import { type Clock, sleep } from "../../base/clock.ts";
import { CLOSE } from "../../protocol/close_reason.ts";
import type { ClientChannel } from "./client_channel.ts";
import type { Reading } from "./reading.ts";

/** What it asks of a gateway. */
export interface DepartureHost {
  readonly clock: Clock;
  readonly reading: Reading;
  channels(): Iterable<ClientChannel>;
}

const STEP_MS = 50;
/** What a channel asked gets this long to be answered. */
const ANSWERS_MS = 2_000;

/**
 * Before a stop: lets every channel go, one after another over `spreadMs`. Each is read no more, gets the answers it
 * waits for, and is closed; the others go on meanwhile. Resolves when all are closed or about to be.
 */
export async function depart(host: DepartureHost, spreadMs: number): Promise<void> {
  const { clock, reading } = host;
  const startMs = clock.mono();
  const asked = new WeakSet<ClientChannel>();
  let askedCount = 0;
  /** Those that were asked, and until when they wait for answers. */
  const going = new Map<ClientChannel, number>();
  for (;;) {
    const nowMs = clock.mono();
    const staying = [...host.channels()].filter((channel) => !asked.has(channel));
    const share = spreadMs <= 0 ? 1 : Math.min(1, (nowMs - startMs) / spreadMs);
    const due = Math.ceil((staying.length + askedCount) * share) - askedCount;
    const leaving = staying.slice(0, Math.max(0, due));
    for (const channel of leaving) {
      reading.stop(channel);
      asked.add(channel);
      askedCount++;
      going.set(channel, nowMs + ANSWERS_MS);
    }
    for (const [channel, untilMs] of going) {
      if (channel.state === "open" && channel.waitsForAnswers && untilMs > nowMs) continue;
      going.delete(channel);
      if (channel.state !== "closed") channel.agent.close(CLOSE.SHUTDOWN);
    }
    if (going.size === 0 && leaving.length === staying.length) return;
    await sleep(clock, STEP_MS);
  }
}
