import { expect } from "bun:test";
import { clientFrame, OPCODE } from "../../src/load/frames.ts";
import { encodePacket, PING } from "../../src/load/packet.ts";
import { MessageWriter } from "../../src/load/proto.ts";
import type { WireClient } from "../../src/load/wire_client.ts";
import { CLOSE, type CloseReason } from "../../src/protocol/close_reason.ts";
import { TRANSPORTS } from "../integration/system_local.ts";
import {
  type Attack,
  BAD_PACKETS,
  closes,
  type CounterName,
  expectEnd,
  logins,
  type Stand,
} from "./bad_input_stand.ts";

const KEY = Uint8Array.of(0x37, 0xfa, 0x21, 0x3d);
const KIB = 1024;
const talk = (text = "hello") =>
  encodePacket({
    command: "chat.user.talk",
    sequence: 9,
    dest: "nobody",
    body: new MessageWriter().text(2, text).done(),
  });
const bytes = (text: string) => new TextEncoder().encode(text);

/** A WebSocket frame with any first byte, masked or not, of any length it claims to have. */
function wsFrame(first: number, payload: Uint8Array, options: { masked?: boolean; length?: number } = {}): Uint8Array {
  const framed = clientFrame("ws", OPCODE.BINARY, payload, KEY);
  framed[0] = first;
  if (options.length !== undefined) framed[1] = framed[1]! & 128 | options.length;
  if (options.masked !== false) return framed;
  const head = framed.length - payload.length - 4;
  const plain = new Uint8Array(framed.length - 4);
  plain.set(framed.subarray(0, head));
  plain[1] = plain[1]! & 127;
  plain.set(payload, head);
  return plain;
}

/** A logic packet whose header is padded to `size` bytes. */
function wideHeader(command: string, size: number): Uint8Array {
  const bare = encodePacket({ command, sequence: 1, dest: "x" }).length - 12;
  return encodePacket({ command, sequence: 1, dest: "x".repeat(size - bare) });
}

const manyMetas = (command: string) =>
  encodePacket({ command, meta: new Map(Array.from({ length: 33 }, (_, i) => [`m${i}`, "1"])) });

/** Payloads of data frames that are refused whether the client has logged in or not. */
const NOT_PACKETS: readonly (readonly [name: string, payload: Uint8Array, why: CloseReason])[] = [
  ["a truncated packet", talk().subarray(0, 20), CLOSE.BAD_DATA],
  ["a packet shorter than its body says", talk().subarray(0, -1), CLOSE.BAD_DATA],
  ["a packet of 4 bytes", talk().subarray(0, 4), CLOSE.BAD_DATA],
  [
    "a header that claims 4 GiB",
    Uint8Array.of(0xc3, 0x11, 0xa3, 0x65, 255, 255, 255, 255, 0, 0, 0, 0),
    CLOSE.TOO_LARGE,
  ],
  ["garbage", Uint8Array.from({ length: 300 }, (_, i) => i * 73 + 5), CLOSE.BAD_DATA],
  ["a wrong magic", Uint8Array.from([0xc3, 0x11, 0xa3, 0x66, ...talk().subarray(4)]), CLOSE.BAD_DATA],
  [
    "a header that is no protobuf",
    Uint8Array.of(0xc3, 0x11, 0xa3, 0x65, 0, 0, 0, 2, 0x0a, 0x7f, 0, 0, 0, 0),
    CLOSE.BAD_DATA,
  ],
  ["a header over 4 KiB", wideHeader("chat.user.talk", 4 * KIB + 1), CLOSE.TOO_LARGE],
  ["33 metas", manyMetas("chat.user.talk"), CLOSE.BAD_DATA],
];

/** Frames that break RFC 6455, whole, and the code they are refused with. */
const BROKEN_FRAMES: readonly (readonly [name: string, frame: Uint8Array, why: CloseReason])[] = [
  ["an unmasked frame", wsFrame(0x82, talk(), { masked: false }), CLOSE.PROTOCOL],
  ["a reserved bit", wsFrame(0xc2, talk()), CLOSE.PROTOCOL],
  ["unknown data opcode 3", wsFrame(0x83, talk()), CLOSE.PROTOCOL],
  ["unknown control opcode 11", wsFrame(0x8b, bytes("x")), CLOSE.PROTOCOL],
  ["a ping of 126 bytes", wsFrame(0x89, new Uint8Array(126)), CLOSE.PROTOCOL],
  ["a fragmented ping", wsFrame(0x09, bytes("x")), CLOSE.PROTOCOL],
  ["a continuation of nothing", wsFrame(0x80, talk()), CLOSE.PROTOCOL],
  [
    "a new message inside a fragmented one",
    Uint8Array.from([...wsFrame(0x02, talk()), ...wsFrame(0x82, talk())]),
    CLOSE.PROTOCOL,
  ],
  ["a close frame of one byte", wsFrame(0x88, Uint8Array.of(3)), CLOSE.PROTOCOL],
  ["a close reason that is not UTF-8", wsFrame(0x88, Uint8Array.of(3, 232, 0xc3)), CLOSE.BAD_TEXT],
  ["a text frame that is not UTF-8", wsFrame(0x81, Uint8Array.of(0x68, 0xff)), CLOSE.BAD_TEXT],
  // A packet's first bytes, c3 11, are no UTF-8: RFC 6455 leaves no way to carry one in a text frame.
  ["a packet in a text frame", wsFrame(0x81, talk()), CLOSE.BAD_TEXT],
  ["a text frame that is no packet", wsFrame(0x81, bytes("hello, is anybody there?")), CLOSE.BAD_DATA],
];

/** Wrong bytes on a connection, before and after the login. */
export function frameAttacks(attack: Attack): void {
  for (const [name, payload, why] of NOT_PACKETS) {
    attack(`${name}, before the login and after, on both transports`, async (stand) => {
      for (const on of TRANSPORTS) {
        const framed = clientFrame(on, OPCODE.BINARY, payload, KEY);
        await refused(stand, await stand.open(on), framed, why, [[logins("NO_PACKET"), 1]]);
        const client = await stand.login(on, stand.name("bad"));
        await refused(stand, client, framed, why, [[BAD_PACKETS, 1], [logins("NO_PACKET"), 0]]);
      }
    });
  }

  for (const [name, frame, why] of BROKEN_FRAMES) {
    attack(`${name}, before the login and after`, async (stand) => {
      const isData = why === CLOSE.BAD_DATA; // a message is complete: the gateway looks at it
      await refused(stand, await stand.open("ws"), frame, why, [[logins("NO_PACKET"), isData ? 1 : 0]]);
      const client = await stand.login("ws", stand.name("bad"));
      await refused(stand, client, frame, why, [[BAD_PACKETS, isData ? 1 : 0]]);
    });
  }

  attack("close codes that nobody may send, before the login and after", async (stand) => {
    for (const code of [0, 999, 1004, 1005, 1006, 1015, 1016, 2999, 5000, 65535]) {
      const frame = wsFrame(0x88, Uint8Array.of(code >> 8, code));
      await refused(stand, await stand.open("ws"), frame, CLOSE.PROTOCOL, []);
      await refused(stand, await stand.login("ws", stand.name("bad")), frame, CLOSE.PROTOCOL, []);
    }
  });

  for (const on of TRANSPORTS) {
    attack(`frames over 8 KiB before the login and over 64 KiB after it, on ${on}`, async (stand) => {
      const over = (size: number) => clientFrame(on, OPCODE.BINARY, new Uint8Array(size + 1), KEY);
      await refused(stand, await stand.open(on), over(8 * KIB), CLOSE.TOO_LARGE, [[logins("NO_PACKET"), 0]]);
      const client = await stand.login(on, stand.name("bad"));
      await refused(stand, client, over(64 * KIB), CLOSE.TOO_LARGE, [[BAD_PACKETS, 0]]);
    });

    attack(`a frame that claims 4 GiB is refused before it comes, on ${on}`, async (stand) => {
      const claim = on === "tcp"
        ? Uint8Array.of(2, 255, 255, 255, 255)
        : Uint8Array.of(0x82, 0xff, 0, 0, 0, 1, 0, 0, 0, 0, ...KEY);
      await refused(stand, await stand.open(on), claim, CLOSE.TOO_LARGE, []);
      await refused(stand, await stand.login(on, stand.name("bad")), claim, CLOSE.TOO_LARGE, []);
    });

    attack(`frames of exactly 8 KiB and 64 KiB, and a header of 4 KiB, are taken, on ${on}`, async (stand) => {
      const client = await stand.open(on);
      const token = stand.token(stand.name("wide"));
      client.conn.send(
        padded(encodePacket({ command: "login.signin", body: new MessageWriter().text(1, token).done() }), 8 * KIB),
      );
      await client.until(() => client.pushes.length === 1);
      expect(client.pushes).toMatchObject([{ command: "login.signin", status: 0 }]);
      client.conn.send(padded(talk(), 64 * KIB));
      await client.until(() => client.pushes.length === 2);
      expect(client.pushes[1]).toMatchObject({ command: "chat.user.talk", status: 0 });
      client.conn.send(wideHeader("chat.nothing", 4 * KIB));
      await client.until(() => client.pushes.length === 3);
      expect(client.pushes[2]).toMatchObject({ command: "chat.nothing", status: 301 });
      client.close();
    });

    attack(`the first packet is no login, on ${on}`, async (stand) => {
      const ping = clientFrame(on, OPCODE.BINARY, PING, KEY);
      await refused(stand, await stand.open(on), ping, CLOSE.BAD_DATA, [[logins("NO_PACKET"), 1]]);
      for (const command of ["chat.user.talk", "login.signout", "im.heads", "foo", ""]) {
        const client = await stand.open(on);
        const framed = clientFrame(on, OPCODE.BINARY, encodePacket({ command, sequence: 77, dest: "bob" }), KEY);
        await refused(stand, client, framed, CLOSE.NOT_LOGIN, [[logins("INVALID_COMMAND"), 1]]);
        expect(client.pushes).toMatchObject([{ command, sequence: 77, flag: 1, status: 103 }]);
      }
    });
  }

  attack("a fragmented login and a fragmented talk with a ping inside are taken", async (stand) => {
    const client = await stand.open("ws");
    const token = stand.token(stand.name("pieces"));
    const login = encodePacket({ command: "login.signin", body: new MessageWriter().text(1, token).done() });
    client.raw(wsFrame(0x02, login.subarray(0, 7)));
    client.raw(wsFrame(0x00, login.subarray(7, 50)));
    client.raw(wsFrame(0x80, login.subarray(50)));
    await client.until(() => client.pushes.length === 1);
    client.raw(wsFrame(0x02, talk().subarray(0, 11)));
    client.raw(wsFrame(0x89, bytes("in between")));
    client.raw(wsFrame(0x80, talk().subarray(11)));
    await client.until(() => client.pushes.length === 2);
    expect(client.pushes.map(({ status }) => status)).toEqual([0, 0]);
    client.close();
  });

  attack("on TCP any other opcode is data, and empty frames are ignored", async (stand) => {
    const client = await stand.login("tcp", stand.name("odd"));
    for (const opcode of [0, 1, 3, 0x77, 0xff]) {
      client.raw(clientFrame("tcp", opcode, new Uint8Array(0), KEY));
      client.raw(clientFrame("tcp", opcode, talk(), KEY));
    }
    await client.until(() => client.pushes.length === 5);
    expect(client.pushes.map(({ status }) => status)).toEqual([0, 0, 0, 0, 0]);
    client.close();
  });
}

/** Sends the bytes; the server must end the connection for this reason, and count it. */
async function refused(
  stand: Stand,
  client: WireClient,
  framed: Uint8Array,
  why: CloseReason,
  rows: readonly (readonly [CounterName, number])[],
): Promise<void> {
  await stand.counts([[closes(why), 1], ...rows], async () => {
    client.raw(framed);
    await expectEnd(client, why);
  });
}

/** Bytes behind a packet are ignored. */
function padded(packet: Uint8Array, size: number): Uint8Array {
  const out = new Uint8Array(size);
  out.set(packet);
  return out;
}
