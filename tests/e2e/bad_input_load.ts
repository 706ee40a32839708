import process from "node:process";
import { expect } from "bun:test";
import { clientFrame, OPCODE } from "../../src/load/frames.ts";
import { encodePacket } from "../../src/load/packet.ts";
import { Message, MessageWriter } from "../../src/load/proto.ts";
import type { WireClient } from "../../src/load/wire_client.ts";
import { CLOSE } from "../../src/protocol/close_reason.ts";
import { type Child, RUNTIME, start, startScript } from "../support/processes.ts";
import { type Transport, TRANSPORTS } from "../integration/system_local.ts";
import { until } from "../support/until.ts";
import { type Attack, closes, expectEnd, logins, type Stand, wait } from "./bad_input_stand.ts";

/** Deadlines that the stand of these attacks is given, ms. */
export const DEADLINES = { loginWaitMs: 2_000, oldestMs: 2_000 } as const;
/** Connections that never log in; HALF_OPEN=10000 for more. */
const HALF_OPEN = Number(process.env["HALF_OPEN"] ?? 2_000);
/** A request's head must be there by then: 5 s, and on Bun, which has no such setting, 12 s. */
const HEAD_MS = RUNTIME === "bun" ? 12_000 : 5_000;
/** Wheels turn ten times a second, closings end after 1.5 s, and 2 cores are shared by all. */
const SPARE_MS = 3_000;
/** Bun's own timers go by steps of four seconds; a flooded client sees its own connections open late. */
const EARLY_MS = RUNTIME === "bun" ? 4_500 : 1_200;
/** 5,000 code points, 15,000 bytes. */
const LONG = "汉".repeat(5_000);

/** Connections that take their time or nothing at all, and sessions that end. */
export function loadAttacks(attack: Attack): void {
  attack(`${HALF_OPEN} connections that never log in are closed by their deadlines`, halfOpen, 60_000);
  attack("a reader that stands still is closed for being slow and finds everything in its inbox", stuckReaders, 30_000);
  attack("a reader of one byte a second is closed once a byte waited too long", oneByteReader, 30_000);
  attack("a second login puts out the first one", kickOut);
  attack("a connection ends when its token does", tokenExpiry);
}

async function halfOpen(stand: Stand): Promise<void> {
  const ports = [stand.system.http, stand.system.tcp].map((url) => url.slice(url.lastIndexOf(":") + 1));
  const silent = (kinds: number[]) => kinds.reduce((sum, kind) => sum + Math.ceil((HALF_OPEN - kind) / 7), 0);
  await stand.counts([[closes(CLOSE.LOGIN_TIMEOUT), silent([3, 4, 5, 6])]], async () => {
    await using flood = await startScript("tests/e2e/bad_input_flood.fixture.ts", [...ports, `${HALF_OPEN}`]);
    await flood.find(/opened/, 30_000);
    const [, json] = await flood.find(/lives (.*)/, HEAD_MS + 20_000);
    const rows: { name: string; count: number; minMs: number; maxMs: number }[] = JSON.parse(json!);
    for (const { name, count, minMs, maxMs } of rows) {
      const deadlineMs = name.startsWith("http") ? HEAD_MS : DEADLINES.loginWaitMs;
      expect(count).toBeGreaterThanOrEqual(Math.floor(HALF_OPEN / 7));
      expect({ name, early: minMs < deadlineMs - EARLY_MS, late: maxMs > deadlineMs + SPARE_MS, maxMs })
        .toEqual({ name, early: false, late: false, maxMs });
    }
  });
}

/** Sends long messages to `dest`, a few at a time, until told to stop; gives their number. All must be stored. */
async function flood(sender: WireClient, dest: string, stop: (sent: number) => boolean): Promise<number> {
  let sent = 0;
  while (!stop(sent)) {
    const answers = await Promise.all(
      Array.from({ length: 8 }, () => sender.talk(dest, `${sent++} ${LONG}`.slice(0, 5_000))),
    );
    expect(answers.map(({ status }) => status)).toEqual(answers.map(() => 0));
  }
  return sent;
}

/** More than the kernel takes, and than a channel may have waiting. */
const MOST = 1_500;

async function stuckReaders(stand: Stand): Promise<void> {
  for (const on of TRANSPORTS) {
    const [sender, reader] = await Promise.all([
      stand.login(on, stand.name("sender")),
      stand.login(on, stand.name("stuck")),
    ]);
    await reader.inbox.index(0n);
    reader.conn.pause();
    const queued = () => stand.system.metrics.read("petrel_queued_bytes");
    let most = 0;
    let sent = 0;
    await stand.counts([[closes(CLOSE.SLOW), 1]], async () => {
      sent = await flood(sender, reader.account, (count) => {
        most = Math.max(most, queued());
        return count >= MOST || most > 100_000 && queued() < most / 2; // what waited was dropped
      });
      expect(sent).toBeLessThan(MOST);
      expect(most).toBeLessThan(600_000);
      reader.conn.resume();
      await expectEnd(reader, CLOSE.SLOW);
    });
    expect(reader.messages.map(({ body }) => parseInt(body))).toEqual(reader.messages.map((_, i) => i)); // no holes
    expect(reader.messages.length).toBeLessThan(sent);
    await expectInbox(stand, reader.account, sent);
    sender.close();
  }
}

async function oneByteReader(stand: Stand): Promise<void> {
  const [sender, account] = [await stand.login("tcp", stand.name("sender")), stand.name("sipper")];
  await using reader = await startSipper(stand, account);
  await wait(400); // an old client's quiet time after its login
  const queued = () => stand.system.metrics.read("petrel_queued_bytes");
  const blocked = async () => {
    for (let i = 0; i < 5; i++, await wait(20)) if (queued() < 30_000) return false;
    return true;
  };
  await stand.counts([[closes(CLOSE.SLOW), 1]], async () => {
    let sent = 0;
    while (sent < MOST && !await blocked()) {
      const from = sent;
      sent += await flood(sender, account, (count) => from + count >= MOST || queued() > 60_000);
    }
    expect(sent).toBeLessThan(MOST);
    await until(() => queued() < 30_000, "what waited was dropped", DEADLINES.oldestMs + SPARE_MS);
    await expectInbox(stand, account, sent);
  });
  expect(reader.stdout).toContain("sip");
  sender.close();
}

/** A TCP client that takes one byte a second from the kernel: runtimes read ahead, so it is a shell. */
const SIP =
  `exec 3<>/dev/tcp/127.0.0.1/$1; printf "$2" >&3; while sleep 1; do dd bs=1 count=1 <&3 2>&1 && echo sip; done`;

async function startSipper(stand: Stand, account: string): Promise<Child> {
  const body = new MessageWriter().text(1, stand.token(account)).done();
  const packet = encodePacket({ command: "login.signin", body });
  const bytes = [...clientFrame("tcp", OPCODE.BINARY, packet, new Uint8Array(4))];
  const before = stand.read(logins("success"));
  const child = await start("bash", [
    "-c",
    SIP,
    "sip",
    new URL(stand.tcp).port,
    bytes.map((byte) => `\\x${byte.toString(16).padStart(2, "0")}`).join(""),
  ]);
  await until(() => stand.read(logins("success")) > before, "the sipper logged in");
  return child;
}

/** All that was sent is in the account's inbox, once, in order. */
async function expectInbox(stand: Stand, account: string, sent: number): Promise<void> {
  const meta = new Map([["im.caps", "1"], ["im.device", "reader"]]);
  await using reader = await stand.login("tcp", account, { meta });
  const rows = await reader.inbox.readSync();
  expect(rows.map(({ id, pos }) => [parseInt(id), pos])).toEqual(Array.from({ length: sent }, (_, i) => [i, i + 1]));
}

async function kickOut(stand: Stand): Promise<void> {
  await stand.counts([[closes(CLOSE.KICKED), 2], [logins("success"), 6]], async () => {
    await Promise.all(TRANSPORTS.map((on) => kickedOn(stand, on)));
  });
}

async function kickedOn(stand: Stand, on: Transport): Promise<void> {
  const account = stand.name("twice");
  const [friend, first] = await Promise.all([stand.login(on, stand.name("friend")), stand.login(on, account)]);
  const second = await stand.login(on, account);
  await second.inbox.index(0n);
  await first.until(({ pushes }) => pushes.length === 1);
  expect(first.pushes).toMatchObject([{ command: "login.signin", flag: 2, status: 0 }]);
  expect(new Message(first.pushes[0]!.body).text(1)).toBe(first.channelId);
  const kickedMs = performance.now();
  const body = new MessageWriter().text(2, "x").done();
  expect((await first.request("chat.user.talk", body, friend.account)).status).toBe(105);
  expect((await friend.talk(account, "to whom?")).status).toBe(0);
  await second.until(({ messages }) => messages.length === 1);
  expect((await second.talk(friend.account, "it is me")).status).toBe(0);
  await expectEnd(first, CLOSE.KICKED);
  expect(performance.now() - kickedMs).toBeGreaterThan(1_000); // time to leave by itself
  expect(first.messages).toEqual([]);
  for (const client of [friend, second]) client.close();
}

async function tokenExpiry(stand: Stand): Promise<void> {
  await stand.counts([[closes(CLOSE.TOKEN_EXPIRED), 2], [logins("success"), 2]], async () => {
    await Promise.all(TRANSPORTS.map(async (on) => {
      const client = await stand.open(on);
      const startMs = performance.now();
      expect((await client.login(stand.token(stand.name("short"), 1.2))).status).toBe(0);
      await expectEnd(client, CLOSE.TOKEN_EXPIRED);
      expect(performance.now() - startMs).toBeGreaterThan(1_000);
    }));
  });
}
