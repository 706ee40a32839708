import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { CAPS, LocalSystem, type Transport, TRANSPORTS } from "./system_local.ts";

const PAIRS = TRANSPORTS.flatMap((one) => TRANSPORTS.map((other) => [one, other] as const));

describe("what a client can see", () => {
  let local: LocalSystem;
  beforeAll(async () => {
    local = await LocalSystem.start();
  });
  afterAll(() => local[Symbol.asyncDispose]());

  /** Two old clients whose pushes flow. */
  async function friends(one: Transport, other: Transport) {
    const [ann, bob] = await Promise.all([local.login(one, local.name("ann")), local.login(other, local.name("bob"))]);
    await Promise.all([ann.inbox.index(0n), bob.inbox.index(0n)]);
    return { ann, bob };
  }

  test.each(PAIRS)("two people talk both ways, %s to %s", async (one, other) => {
    const { ann, bob } = await friends(one, other);
    for (let i = 0; i < 5; i++) {
      const there = await ann.talk(bob.account, `there ${i}`, { type: 1 + i, extra: `{"n":${i}}` });
      const back = await bob.talk(ann.account, `back ${i}`);
      await Promise.all([ann, bob].map((client) => client.until(({ messages }) => messages.length === i + 1)));
      expect(bob.messages.at(-1)).toMatchObject({
        messageId: there.messageId,
        sendTime: there.sendTime,
        type: 1 + i,
        body: `there ${i}`,
        extra: `{"n":${i}}`,
        sender: ann.account,
      });
      expect(ann.messages.at(-1)).toMatchObject({ messageId: back.messageId, body: `back ${i}`, sender: bob.account });
      expect(there.messageId).toBeGreaterThan(10_000n);
      expect(back.sendTime).toBeGreaterThan(there.sendTime);
    }
    expect(ann.pushes.length + bob.pushes.length).toBe(10); // and nothing else came
    ann.ping();
    await ann.until(({ pongs }) => pongs === 1);
    for (const client of [ann, bob]) client.close();
  });

  test.each(TRANSPORTS)("an ack moves the read position forward, never back, on %s", async (on) => {
    const { ann, bob } = await friends(on, on);
    const ids: bigint[] = [];
    for (let i = 0; i < 4; i++) ids.push((await ann.talk(bob.account, `${i}`)).messageId);
    const unread = async () => {
      const again = await local.login(on, bob.account);
      const rows = await again.inbox.index(0n);
      again.close();
      return rows.map(({ messageId }) => messageId);
    };
    expect(await unread()).toEqual(ids);
    const reader = await local.login(on, bob.account);
    await reader.ack(ids[2]!);
    await reader.ack(ids[0]!);
    expect(await unread()).toEqual(ids.slice(3));
    for (const client of [ann, bob, reader]) client.close();
  });

  test.each(PAIRS)("what came while away is there after coming back, sent on %s, read on %s", async (one, other) => {
    const { ann, bob } = await friends(one, other);
    const before = await ann.talk(bob.account, "before");
    await bob.until(({ messages }) => messages.length === 1);
    await bob.ack(before.messageId);
    bob.close();
    await bob.ended;
    const sent = [];
    for (let i = 0; i < 3; i++) sent.push(await ann.talk(bob.account, `away ${i}`));

    const again = await local.login(other, bob.account);
    const rows = await again.inbox.readIndex(0n, false);
    expect(rows).toEqual(sent.map(({ messageId }, i) => (
      { messageId: `${messageId}`, id: `away ${i}`, direction: 0, sender: ann.account }
    )));
    const live = await ann.talk(bob.account, "live");
    await again.until(({ messages }) => messages.length === 1);
    expect(again.messages[0]).toMatchObject({ messageId: live.messageId, body: "live" });
    for (const client of [ann, again]) client.close();
  });

  test.each(TRANSPORTS)(
    "our client resumes where it was: what came while away follows the login, on %s",
    async (on) => {
      const account = local.name("ours");
      const { ann } = await friends(on, on);
      const first = await local.login(on, account, { meta: CAPS });
      await ann.talk(account, "one");
      await first.until(({ messages }) => messages.length === 1);
      expect(first.pushes[0]!.meta.get("im.pos")).toBe("1");
      const { epoch } = await first.inbox.sync(0);
      first.close();
      await first.ended;
      for (const text of ["two", "three"]) await ann.talk(account, text);

      const again = await local.open(on);
      const { body } = await again.login(local.token(account), { meta: CAPS, cursor: 1, epoch });
      expect([body.uint(100), body.text(101), body.uint(102), body.text(103)]).toEqual([1, "", 3, epoch]);
      await again.until(({ messages }) => messages.length === 2);
      expect(again.messages.map(({ body, seq }) => [body, seq])).toEqual([["two", 2], ["three", 3]]);
      for (const client of [ann, again]) client.close();
    },
  );
});
