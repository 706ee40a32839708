import { expect } from "bun:test";
import { encodePacket } from "../../src/load/packet.ts";
import { Message, MessageWriter } from "../../src/load/proto.ts";
import type { WireClient } from "../../src/load/wire_client.ts";
import { CLOSE } from "../../src/protocol/close_reason.ts";
import { TRANSPORTS } from "../integration/system_local.ts";
import { type Attack, closes, commands, type CounterName, expectEnd, replies, type Stand } from "./bad_input_stand.ts";

const TALK = "chat.user.talk", ACK = "chat.talk.ack", INDEX = "chat.offline.index", CONTENT = "chat.offline.content";
const message = (body: string, extra = "") => new MessageWriter().int(1, 1).text(2, body).text(3, extra).done();
const id = (value: bigint) => new MessageWriter().int(1, value).done();
const ids = (values: readonly bigint[]) => new MessageWriter().int64s(1, values).done();
const many = (count: number) => Array.from({ length: count }, (_, i) => BigInt(i + 1));

interface BadRequest {
  readonly name: string;
  readonly command: string;
  readonly dest?: string;
  readonly body?: Uint8Array;
  readonly status: number;
  /** What logic counts; undefined: the gateway answers. */
  readonly outcome?: string;
}

const bad = (
  name: string,
  command: string,
  status: number,
  outcome?: string,
  more: { dest?: string; body?: Uint8Array } = {},
): BadRequest => ({
  name,
  command,
  status,
  ...(outcome === undefined ? {} : { outcome }),
  ...more,
});
const BROKEN = Uint8Array.of(0x12, 0x7f, 1);
const NOT_UTF8 = Uint8Array.of(0x12, 2, 0xc3, 0x28);

const BAD_REQUESTS: readonly BadRequest[] = [
  bad("a talk to nobody", TALK, 100, "NO_DESTINATION", { body: message("x") }),
  ...["a b", "a,b", "a/b", "a|b", "a:b", "a\u0000", "x".repeat(61), "😀".repeat(61)].map((dest) =>
    bad(`a talk to ${JSON.stringify(dest.slice(0, 6))}, ${dest.length} long`, TALK, 101, "INVALID_BODY", {
      dest,
      body: message("x"),
    })
  ),
  bad("a body of 5,001 letters", TALK, 101, "INVALID_BODY", { dest: "bob", body: message("x".repeat(5_001)) }),
  bad("a body of 5,001 emoji", TALK, 101, "INVALID_BODY", { dest: "bob", body: message("😀".repeat(5_001)) }),
  bad("an extra of 501 CJK characters", TALK, 101, "INVALID_BODY", {
    dest: "bob",
    body: message("x", "汉".repeat(501)),
  }),
  bad("a talk whose body is no message", TALK, 101, "BODY_INVALID", { dest: "bob", body: BROKEN }),
  bad("a talk whose text is not UTF-8", TALK, 101, "BODY_INVALID", { dest: "bob", body: NOT_UTF8 }),
  bad("an ack of a negative id", ACK, 101, "INVALID_BODY", { body: id(-1n) }),
  bad("an index after a negative id", INDEX, 101, "INVALID_BODY", { body: id(-(2n ** 63n)) }),
  bad("a content request of no ids", CONTENT, 101, "INVALID_BODY", {}),
  bad("a content request of 201 ids", CONTENT, 101, "INVALID_BODY", { body: ids(many(201)) }),
  bad("a content request of a negative id", CONTENT, 101, "INVALID_BODY", { body: ids([1n, -1n]) }),
  bad("an unknown command of chat", "chat.nothing", 301, "NOT_IMPLEMENTED"),
  bad("a command of a backend nobody has", "foo.bar", 301),
  bad("a command without a dot", "foo", 301),
  bad("an empty command", "", 301),
  bad("a command between servers: im.heads", "im.heads", 301),
  bad("a command between servers: im.fill", "im.fill", 301),
  bad("a second login", "login.signin", 103),
  bad("an unknown login command", "login.nothing", 301),
];

const STATUS_NAMES: Readonly<Record<number, string>> = {
  100: "NO_DESTINATION",
  101: "INVALID_BODY",
  103: "INVALID_COMMAND",
  301: "NOT_IMPLEMENTED",
};

/** Requests of a client that has logged in: refused with exactly this status, the channel goes on. */
export function requestAttacks(attack: Attack): void {
  for (const { name, command, dest, body, status, outcome } of BAD_REQUESTS) {
    attack(`${name} is ${status}`, async (stand) => {
      for (const on of TRANSPORTS) {
        const client = await stand.login(on, stand.name("bad"));
        const counted: [CounterName, number][] = [[replies(STATUS_NAMES[status]!), 1]];
        const known = command.startsWith("chat.") && command !== "chat.nothing" ? command : "other";
        if (outcome !== undefined) counted.push([commands(known, outcome), 1]);
        await stand.counts(counted, async () => {
          const answer = await client.request(command, body, dest);
          expect(answer).toMatchObject({ command, flag: 1, status, dest: dest ?? "" });
          expect(new Message(answer.body).text(1)).not.toBe(""); // a reason in words
        });
        expect((await client.talk("nobody", "still here")).status).toBe(0);
        client.close();
      }
    });
  }

  attack("bodies of 5,000 letters, CJK and emoji, and extras of 500, are taken and arrive whole", async (stand) => {
    for (const on of TRANSPORTS) {
      const [ann, bob] = await Promise.all(["ann", "bob"].map((role) => stand.login(on, stand.name(role))));
      await bob!.inbox.index(0n);
      const texts = ["x", "汉", "😀"].map((one) => [one.repeat(5_000), one.repeat(500)] as const);
      for (const [body, extra] of texts) expect((await ann!.talk(bob!.account, body, { extra })).status).toBe(0);
      await bob!.until(({ messages }) => messages.length === 3);
      expect(bob!.messages.map(({ body, extra }) => [body, extra])).toEqual(texts.map((one) => [...one]));
      ann!.close();
      bob!.close();
    }
  });

  attack("a text in a header that is not UTF-8 ends the connection", async (stand) => {
    for (const on of TRANSPORTS) {
      const client = await stand.login(on, stand.name("bad"));
      const packet = encodePacket({ command: TALK, dest: "bob", body: message("x") });
      packet[packet.lastIndexOf(0x62, packet.length - 10)] = 0xff; // a letter of "bob"
      await stand.counts([[closes(CLOSE.BAD_DATA), 1]], async () => {
        client.conn.send(packet);
        await expectEnd(client, CLOSE.BAD_DATA);
      });
    }
  });

  attack("what a client writes into the header beyond its request reaches nobody", liar);
  attack("acks and content requests of other people's messages change and show nothing", strangersMessages);

  attack("signing out is answered, then the connection ends", async (stand) => {
    for (const on of TRANSPORTS) {
      const client = await stand.login(on, stand.name("leaver"));
      await stand.counts([[closes(CLOSE.SIGNED_OUT), 1]], async () => {
        await client.ok("login.signout");
        await expectEnd(client, CLOSE.SIGNED_OUT);
      });
    }
  });
}

/** Status 404 in a push would make old clients log in again; a foreign channel id or meta would lead it elsewhere. */
async function liar(stand: Stand): Promise<void> {
  for (const on of TRANSPORTS) {
    const [ann, bob, eve] = await Promise.all(["ann", "bob", "eve"].map((role) => stand.login(on, stand.name(role))));
    await Promise.all([bob!.inbox.index(0n), eve!.inbox.index(0n)]);
    for (const [flag, status] of [[0, 404], [1, 0], [2, 105], [7, 300]] as const) {
      const sequence = 1_000 + flag;
      ann!.conn.send(encodePacket({
        command: TALK,
        sequence,
        flag,
        status,
        channelId: eve!.channelId,
        dest: bob!.account,
        meta: new Map([
          ["app", "other"],
          ["account", eve!.account],
          ["dest.server", "gate99"],
          ["dest.channels", `${eve!.channelId},${bob!.channelId}`],
          ["im.device", "phone"],
          ["im.caps", "1"],
          ["im.pos", "999999"],
          ["im.key", "x 1 1"],
          ["im.answers", "1"],
          ["im.own", "1"],
        ]),
        body: message(`flag ${flag}`),
      }));
      await ann!.until(({ pushes }) => pushes.some((packet) => packet.sequence === sequence));
      const answer = ann!.pushes.at(-1)!;
      expect(answer).toMatchObject({
        command: TALK,
        sequence,
        flag: 1,
        status: 0,
        channelId: ann!.channelId,
        dest: bob!.account,
      });
      expect([...answer.meta]).toEqual([]);
    }
    await bob!.until(({ messages }) => messages.length === 4);
    for (const push of bob!.pushes) {
      expect(push).toMatchObject({ command: TALK, flag: 2, status: 0, channelId: ann!.channelId, dest: bob!.account });
      expect([...push.meta]).toEqual([]);
    }
    expect(bob!.messages.map(({ body, sender }) => [body, sender])).toEqual(
      [0, 1, 2, 7].map((flag) => [`flag ${flag}`, ann!.account]),
    );
    expect(eve!.pushes).toEqual([]);
    expect(await eve!.inbox.readIndex(0n, true)).toEqual([]);
    for (const client of [ann, bob, eve]) client!.close();
  }
}

async function strangersMessages(stand: Stand): Promise<void> {
  for (const on of TRANSPORTS) {
    const [ann, bob, eve] = await Promise.all(["ann", "bob", "eve"].map((role) => stand.login(on, stand.name(role))));
    const secret = (await ann!.talk(bob!.account, "secret", { extra: "more" })).messageId;
    const own = (await ann!.talk(eve!.account, "for eve")).messageId;
    const asked = [secret, 0n, own, 12_345n, 2n ** 62n, own];
    const rows = (await eve!.ok(CONTENT, ids(asked))).messages(1);
    expect(rows.map((row) => [row.int64(1), row.uint(2), row.text(3), row.text(4)])).toEqual(
      asked.map((one) => one === own ? [one, 1, "for eve", ""] : [one, 0, "", ""]),
    );
    for (const one of [secret, 0n, 12_345n]) await eve!.ack(one);
    const waiting = await eve!.inbox.index(0n);
    expect(waiting.map(({ messageId }) => messageId)).toEqual([own]); // nothing was acknowledged
    expect((await bob!.inbox.index(0n)).map(({ messageId }) => messageId)).toEqual([secret]);
    for (const client of [ann, bob, eve] as (WireClient | undefined)[]) client!.close();
  }
}
