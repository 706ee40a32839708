import { expect, test } from "bun:test";
import * as runtime from "#runtime";
import { silent } from "../../src/base/logger.ts";
import { connectWith } from "../../src/cli/connect.ts";
import { startDev } from "../../src/cli/dev_system.ts";
import { signToken } from "../../src/cli/token.ts";
import { CLOSE } from "../../src/protocol/close_reason.ts";
import { PetrelClient } from "../../src/sdk/client.ts";
import type { Message } from "../../src/sdk/message.ts";
import type { ClientOptions } from "../../src/sdk/options.ts";
import { MemoryStorage } from "../../src/sdk/storage.ts";
import { freePort } from "../support/free_port.ts";
import { tempDir } from "../support/temp.ts";
import { until } from "../support/until.ts";

const SECRET = "a secret of thirty-two bytes, or more";

const TRANSPORTS: ["ws" | "tcp"][] = [["ws"], ["tcp"]];

interface At {
  readonly http: number;
  readonly tcp: number;
}

function server(data: string, at: At = { http: 0, tcp: 0 }) {
  return startDev(
    {
      http: { hostname: "127.0.0.1", port: at.http },
      tcp: { hostname: "127.0.0.1", port: at.tcp },
      data,
      sync: "full",
      secret: SECRET,
      serviceId: "gate01",
      node: 0,
      devices: 16,
      messageRate: 0,
      connectionsPerIp: 0,
      origins: ["*"],
      drainMs: 0,
      fault: undefined,
    },
    runtime,
    silent,
  );
}

/** A client that is closed with the test, and what it was handed. */
function person(account: string, url: string, options: Partial<ClientOptions> = {}) {
  const token = () => signToken(account, "kim", 1, SECRET);
  const client = new PetrelClient({ url, token, connect: connectWith(runtime.dial), ...options });
  const received: Message[] = [];
  client.onMessage((message) => void received.push(message));
  return {
    client,
    received,
    bodies: () => received.map(({ body }) => body),
    [Symbol.asyncDispose]: () => client.close(),
  };
}

const numbers = (from: number, to: number) => Array.from({ length: to - from + 1 }, (_, i) => String(from + i));

test.each(TRANSPORTS)("two people talk over %s, in order, with receipts", async (transport) => {
  await using dir = await tempDir();
  await using dev = await server(dir.path);
  await using ann = person("ann", dev[transport]);
  await using bob = person("bob", dev[transport]);
  await Promise.all([ann.client.login(), bob.client.login()]);
  expect([ann.client.account, bob.client.account]).toEqual(["ann", "bob"]);
  const sent = numbers(1, 100).map((body) => ann.client.talk("bob", body, { type: 3, extra: "x" }));
  const receipts = await Promise.all(sent.map(({ done }) => done));
  expect(receipts.map(({ seq }) => seq)).toEqual(receipts.map((_, i) => i + 1));
  await until(() => bob.received.length === 100, "bob has all");
  expect(bob.bodies()).toEqual(numbers(1, 100));
  expect(bob.received[0]).toEqual({
    messageId: receipts[0]!.messageId,
    sendTime: receipts[0]!.sendTime,
    sender: "ann",
    peer: "ann",
    group: false,
    own: false,
    type: 3,
    body: "1",
    extra: "x",
    seq: 1,
    pos: 1,
    clientMsgId: sent[0]!.id,
  });
  const answer = await bob.client.talk("ann", "thanks").done;
  expect(answer.seq).toBe(101);
  await until(() => ann.received.length === 1, "ann has the answer");
  expect(ann.received).toMatchObject([{ sender: "bob", body: "thanks", seq: 101, pos: 101 }]);
});

test("what came while a device was away follows at its next login, once", async () => {
  await using dir = await tempDir();
  await using dev = await server(dir.path);
  await using ann = person("ann", dev.ws);
  await ann.client.login();
  const storage = new MemoryStorage();
  for (let round = 0; round < 3; round++) {
    const first = round * 700 + 1;
    const last = ann.client.talk("bob", String(first));
    await last.done;
    await Promise.all(numbers(first + 1, first + 699).map((body) => ann.client.talk("bob", body).done));
    await using bob = person("bob", round % 2 ? dev.tcp : dev.ws, { storage });
    await bob.client.login();
    await until(() => bob.received.length >= 700, "bob has what he missed");
    expect(bob.bodies()).toEqual(numbers(first, first + 699));
    await ann.client.talk("bob", "live").done;
    await until(() => bob.received.length === 701, "bob gets live messages");
    await ann.client.talk("bob", "live").done;
    await until(() => bob.received.length === 702, "bob gets the next, too");
  }
}, 30_000);

test("a device that has nothing starts where the account's reading stopped on that device", async () => {
  await using dir = await tempDir();
  await using dev = await server(dir.path);
  await using ann = person("ann", dev.ws);
  await ann.client.login();
  await Promise.all(numbers(1, 3).map((body) => ann.client.talk("bob", body).done));
  {
    await using phone = person("bob", dev.ws, { device: "phone" });
    await phone.client.login();
    await until(() => phone.received.length === 3, "the phone has all");
  }
  await ann.client.talk("bob", "4").done;
  await using phone = person("bob", dev.ws, { device: "phone" });
  await using tablet = person("bob", dev.ws, { device: "tablet" });
  await Promise.all([phone.client.login(), tablet.client.login()]);
  await until(() => phone.received.length + tablet.received.length === 5, "both have theirs");
  expect(phone.bodies()).toEqual(["4"]);
  expect(tablet.bodies()).toEqual(numbers(1, 4));
});

test("one's own other device sees what one says, the sending one does not", async () => {
  await using dir = await tempDir();
  await using dev = await server(dir.path);
  await using phone = person("ann", dev.ws, { device: "phone" });
  await using laptop = person("ann", dev.tcp, { device: "laptop" });
  await using bob = person("bob", dev.ws);
  await Promise.all([phone.client.login(), laptop.client.login(), bob.client.login()]);
  for (const body of numbers(1, 5)) {
    await phone.client.talk("bob", body).done;
    await bob.client.talk("ann", `re ${body}`).done;
  }
  await until(() => laptop.received.length === 10 && phone.received.length === 5, "everybody has theirs");
  expect(laptop.received.map(({ own, peer, body }) => `${own} ${peer} ${body}`)).toEqual(
    numbers(1, 5).flatMap((body) => [`true bob ${body}`, `false bob re ${body}`]),
  );
  expect(phone.bodies()).toEqual(numbers(1, 5).map((body) => `re ${body}`));
});

test("a message to oneself arrives nowhere but on one's other devices", async () => {
  await using dir = await tempDir();
  await using dev = await server(dir.path);
  await using phone = person("ann", dev.ws, { device: "phone" });
  await using laptop = person("ann", dev.ws, { device: "laptop" });
  await Promise.all([phone.client.login(), laptop.client.login()]);
  await phone.client.talk("ann", "milk").done;
  await until(() => laptop.received.length === 1, "the laptop has it");
  expect(laptop.received).toMatchObject([{ own: true, peer: "ann", body: "milk" }]);
  expect(phone.received).toEqual([]);
});

test("the same device logs in elsewhere: the first is kicked and stays away", async () => {
  await using dir = await tempDir();
  await using dev = await server(dir.path);
  await using first = person("ann", dev.ws, { device: "phone" });
  await using second = person("ann", dev.tcp, { device: "phone" });
  const kicked: string[] = [];
  first.client.on("kicked", ({ channelId }) => void kicked.push(channelId));
  await first.client.login();
  await second.client.login();
  await until(() => first.client.state === "closed", "the first is out");
  expect(kicked).toHaveLength(1);
  expect(second.client.state).toBe("online");
});

test.each(TRANSPORTS)("a bad token over %s ends the login with UNAUTHORIZED", async (transport) => {
  await using dir = await tempDir();
  await using dev = await server(dir.path);
  await using ann = person("ann", dev[transport], { token: signToken("ann", "kim", 1, "another secret") });
  const error = await ann.client.login().then(() => undefined, (thrown: { code: string }) => thrown);
  expect(error?.code).toBe("UNAUTHORIZED");
  expect(ann.client.state).toBe("closed");
});

test(
  "a server that is stopped and started again under the clients: nothing is lost, doubled or out of order",
  async () => {
    await using dir = await tempDir();
    const at = { http: await freePort(), tcp: await freePort() };
    const urls = { ws: `ws://127.0.0.1:${at.http}`, tcp: `tcp://127.0.0.1:${at.tcp}` };
    await using ann = person("ann", urls.ws);
    await using bob = person("bob", urls.tcp);
    const whys: number[] = [];
    ann.client.on("state", ({ state, why }) => state === "offline" && why && whys.push(why.code));
    const drains: string[] = [];
    ann.client.on("drain", ({ url }) => void drains.push(url));
    const sent = [];
    let said = 0;
    for (let round = 0; round < 3; round++) {
      const dev = await server(dir.path, at);
      await Promise.all([ann.client.login(), bob.client.login()]);
      for (let i = 0; i < 50; i++) sent.push(ann.client.talk("bob", String(++said)));
      await Promise.all(sent.slice(-50, -30).map(({ done }) => done));
      await dev[Symbol.asyncDispose]();
      sent.push(ann.client.talk("bob", String(++said)));
    }
    await using _dev = await server(dir.path, at);
    await Promise.all(sent.map(({ done }) => done));
    await until(() => bob.received.length >= said, "bob has all");
    expect(bob.bodies()).toEqual(numbers(1, said));
    expect(drains).toHaveLength(3);
    expect(whys).toContain(CLOSE.SHUTDOWN.code);
  },
  60_000,
);

test("of several addresses a dead one is passed over", async () => {
  await using dir = await tempDir();
  await using dev = await server(dir.path);
  const dead = await freePort();
  const url = [`ws://127.0.0.1:${dead}`, `tcp://127.0.0.1:${dead}`, dev.ws];
  await using ann = person("ann", dev.ws, { url });
  await ann.client.login();
  expect(ann.client.state).toBe("online");
});
