import type { HistoryEvent, InboxRow } from "../history.ts";
import { pool, wait } from "../pool.ts";
import { WireClient } from "../wire_client.ts";
import type { Crowd } from "./crowd.ts";
import type { FaultSystem } from "./fault_system.ts";

/** Accounts that are away and whose inboxes are read, too. */
const READ_AWAY = 20;
const ANSWER_MS = 60_000;
const TRIES = 20;

/** The inboxes of everybody in a crowd, both ways, as another device of each account reads them past the proxies. */
export async function readInboxes(
  system: FaultSystem,
  crowd: Crowd,
  record: (event: HistoryEvent) => void,
): Promise<ReadonlyMap<string, InboxRow[]>> {
  const inboxes = new Map<string, InboxRow[]>();
  const accounts = [...crowd.members.map(({ account }) => account), ...crowd.away.slice(0, READ_AWAY)];
  await pool(accounts.length, 8, async (i) => {
    const account = accounts[i]!;
    const url = system.straightUrls[i % system.straightUrls.length]!;
    const meta = new Map([["im.device", "reader"]]);
    const options = { history: { record }, meta, timeoutMs: ANSWER_MS };
    const read = async (): Promise<void> => {
      await using reader = await WireClient.login(url, system.token(account), options);
      // The index makes the rows of large groups; those who acknowledged get the rest of theirs.
      await reader.inbox.readIndex(0n, i >= crowd.members.length);
      inboxes.set(account, await reader.inbox.readSync());
    };
    for (let tries = 1;; tries++) {
      try {
        return await read();
      } catch (error) {
        if (tries === TRIES) throw error;
        await wait(500); // the last fault may be felt still
      }
    }
  });
  return inboxes;
}
