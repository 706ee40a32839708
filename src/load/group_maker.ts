import { wait } from "./pool.ts";
import { MessageWriter } from "./proto.ts";
import { WireClient } from "./wire_client.ts";

/** A create is one frame of a client, at most 64 KiB: the other members are added. */
const CREATE_BYTES = 56 << 10;
/** Requests in flight while members are added. */
const WINDOW = 256;
/** How often a refused request is tried again. */
const TRIES = 50;

/**
 * Makes a group through chat commands: its owner creates it with as many members as fit and adds the others, many at a
 * time. Gives its id. @throws {Error} refused.
 */
export async function makeGroup(owner: WireClient, members: readonly string[]): Promise<string> {
  let bytes = 0;
  let next = 0;
  while (next < members.length && next < 5_000 && bytes < CREATE_BYTES) bytes += 2 + members[next++]!.length;
  const body = new MessageWriter().text(1, "load");
  for (const name of members.slice(0, next)) body.text(5, name);
  const groupId = (await owner.ok("chat.group.create", body.done())).text(1);
  const worker = async () => {
    while (next < members.length) await change(owner, "join", groupId, members[next++]!);
  };
  await Promise.all(Array.from({ length: WINDOW }, worker));
  return groupId;
}

/** Adds an account to a group, or removes it; a busy server is asked again. @throws {Error} refused for good. */
export async function change(by: WireClient, what: "join" | "quit", groupId: string, account: string): Promise<void> {
  const body = new MessageWriter().text(1, account).text(2, groupId).done();
  for (let tries = 1;; tries++) {
    const { status } = await by.request(`chat.group.${what}`, body);
    if (status === 0) return;
    if (status < 300 || tries === TRIES) throw new Error(`chat.group.${what}: status ${status}`);
    await wait(20);
  }
}
