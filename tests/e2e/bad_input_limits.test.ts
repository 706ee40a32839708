import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { clientFrame, OPCODE } from "../../src/load/frames.ts";
import { encodePacket } from "../../src/load/packet.ts";
import { MessageWriter } from "../../src/load/proto.ts";
import { parseServerUrl, WireConn, type WireSink } from "../../src/load/wire_conn.ts";
import { CLOSE } from "../../src/protocol/close_reason.ts";
import { type Transport, TRANSPORTS } from "../integration/system_local.ts";
import { until } from "../support/until.ts";
import { attacks, closes, expectEnd, REFUSED, replies, Stand } from "./bad_input_stand.ts";

const RATE = 20;
/** The forty connections of the bystanders fit. */
const PER_IP = 44;
const FAR = "127.0.0.2";

describe("with limits for each account and address", () => {
  let stand: Stand;
  beforeAll(async () => {
    stand = await Stand.start({ messageRate: RATE, connectionsPerIp: PER_IP }, 1_000);
  }, 20_000);
  afterAll(() => stand[Symbol.asyncDispose]());
  const attack = attacks(() => stand);

  attack("more connections than an address may have are refused, others go on", tooManyConnections, 30_000);

  attack("over its rate an account is read more slowly, and refused nothing", async () => {
    const client = await stand.login("ws", stand.name("eager"));
    const startMs = performance.now();
    let sent = 0;
    for (; performance.now() < startMs + 2_000; sent++) expect((await client.talk("nobody", `${sent}`)).status).toBe(0);
    const seconds = (performance.now() - startMs) / 1_000;
    expect(sent).toBeGreaterThanOrEqual(3 * RATE);
    expect(sent).toBeLessThanOrEqual(3 * RATE + RATE * seconds + RATE);
    client.close();
  });

  for (const on of TRANSPORTS) {
    attack(
      `a flood is answered 302 and after 200 refusals ended, what was answered 0 is stored, on ${on}`,
      () => flooded(on),
    );
  }

  test("over everything: nothing lost, and nobody stood still", () => stand.judge(), 20_000);

  async function tooManyConnections(): Promise<void> {
    const nobody: WireSink = { packet() {}, closed() {} };
    const open = (on: Transport) => WireConn.open(parseServerUrl(stand[on]), nobody, { localAddress: FAR });
    const conns: WireConn[] = [];
    while (conns.length < PER_IP) conns.push(await open(TRANSPORTS[conns.length % 2]!));
    await stand.counts([[REFUSED, 2]], async () => {
      await expect(open("ws")).rejects.toThrow("answered HTTP/1.1 503");
      const refused = await open("tcp");
      await until(() => refused.closedWhy !== "", "the connection was closed");
      expect(refused.closedWhy).toBe("server said: overload");
    });
    (await stand.login("ws", stand.name("near"))).close(); // another address
    for (const one of conns.splice(0, 2)) one.close();
    await until(() => stand.system.metrics.read("petrel_connections") <= 40 + PER_IP - 2, "two have left");
    conns.push(await open("ws"), await open("tcp"));
    for (const one of conns) one.destroy();
    await until(() => stand.system.metrics.read("petrel_connections") === 40, "all have left");
  }

  async function flooded(on: Transport): Promise<void> {
    const [flood, dest] = [await stand.login(on, stand.name("flood")), stand.name("victim")];
    const send = (from: number, count: number) => {
      const frames = Array.from({ length: count }, (_, k) => {
        const body = new MessageWriter().text(2, `${from + k}`).done();
        const packet = encodePacket({ command: "chat.user.talk", sequence: from + k, dest, body });
        return [...clientFrame(on, OPCODE.BINARY, packet, flood.conn.maskKey)];
      });
      flood.raw(Uint8Array.from(frames.flat()));
    };
    await stand.counts([[closes(CLOSE.RATE), 1], [replies("BUSY"), 200]], async () => {
      send(100, 3 * RATE);
      await flood.until(({ pushes }) => pushes.length === 3 * RATE);
      for (let from = 200; from < 1_200 && flood.conn.closedWhy === ""; from += 50) send(from, 50);
      await expectEnd(flood, CLOSE.RATE, 15_000);
    });
    const answered = (status: number) => flood.pushes.filter((one) => one.status === status).map((one) => one.sequence);
    expect(answered(302).length).toBe(200);
    await using victim = await stand.login(on, dest);
    const stored = (await victim.inbox.readIndex(0n, true)).map(({ id }) => Number(id));
    expect(answered(0).slice(0, 3 * RATE)).toEqual(Array.from({ length: 3 * RATE }, (_, k) => 100 + k));
    expect(answered(0).filter((one) => !stored.includes(one))).toEqual([]);
    expect(answered(302).filter((one) => stored.includes(one))).toEqual([]);
  }
});
