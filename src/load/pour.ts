import { Message, MessageWriter } from "./proto.ts";
import { pool, wait } from "./pool.ts";
import type { WireClient } from "./wire_client.ts";

/** In flight while messages are stored for a later reading. */
const WINDOW = 128;

/**
 * Stores `count` messages and gives their ids in the order they were asked for; message i says `<prefix> i`. What a busy
 * server refuses is sent again, so that with a window their order may be another. @throws {Error} refused for good.
 */
export async function pour(
  by: WireClient,
  dest: string,
  count: number,
  more: { readonly group?: boolean; readonly prefix?: string } = {},
): Promise<bigint[]> {
  const ids: bigint[] = [];
  const command = more.group === true ? "chat.group.talk" : "chat.user.talk";
  await pool(count, WINDOW, async (i) => {
    const body = new MessageWriter().int(1, 1).text(2, textOf(i, more.prefix)).done();
    for (;;) {
      const { status, body: answer } = await by.request(command, body, dest);
      if (status === 0) return void (ids[i] = new Message(answer).int64(1));
      if (status !== 302 && status !== 300) throw new Error(`Cannot store messages: status ${status}`);
      await wait(20);
    }
  });
  return ids;
}

/** What message i of a `pour` says. */
export function textOf(i: number, prefix = "message"): string {
  return `${prefix} ${i}`;
}
