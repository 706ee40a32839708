import { expect } from "bun:test";
import { encodePacket } from "../../src/load/packet.ts";
import { CLOSE } from "../../src/protocol/close_reason.ts";
import { TRANSPORTS } from "../integration/system_local.ts";
import { Speaker, type Spoken } from "../support/speaker.ts";
import { type Attack, closes, commands, expectEnd, logins, replies, type Stand } from "./bad_input_stand.ts";

const utf8 = (text: string) => new TextEncoder().encode(text);
const bytes = (hex: string) => Uint8Array.fromHex(hex);

/** Bodies that are neither a LoginReq nor a MessageReq. */
const BAD_BODIES: readonly (readonly [name: string, content: Spoken, body: Uint8Array])[] = [
  ["text that is no JSON", "json", utf8("{token:1}")],
  ["a cut JSON text", "json", utf8('{"body":"')],
  ["two JSON values", "json", utf8("{}{}")],
  ["NaN", "json", utf8("NaN")],
  ["a JSON list", "json", utf8("[]")],
  ["JSON null", "json", utf8("null")],
  ["JSON that is not UTF-8", "json", bytes("7b2262223a22c328227d")],
  ["a lone surrogate", "json", utf8('{"token":"\\ud800","body":"\\ud800"}')],
  ["JSON 7,000 deep", "json", utf8("[".repeat(7_000))],
  ["JSON 3,500 deep, closed, in a field nobody knows", "json", utf8(`{"x":${"[".repeat(3_500)}${"]".repeat(3_500)}}`)],
  ["numbers for texts", "json", utf8('{"token":1,"body":1}')],
  ["lists for texts", "json", utf8('{"token":[],"body":[]}')],
  ["a prototype", "json", utf8('{"__proto__":{"token":"x","body":"x"},"token":{},"body":{}}')],
  ["protobuf for JSON", "json", bytes("0a0174")],
  ["the byte MessagePack never uses", "msgpack", bytes("c1")],
  ["a cut map", "msgpack", bytes("81a5746f6b656e")],
  ["a map of 4,294,967,295", "msgpack", bytes("dfffffffff")],
  ["a list of 4,294,967,295", "msgpack", bytes("81a178ddffffffff")],
  ["a text of 4 GiB", "msgpack", bytes("81a178dbffffffff61")],
  ["bin of 4 GiB", "msgpack", bytes("81a178c6ffffffff")],
  ["ext of 4 GiB", "msgpack", bytes("81a178c9ffffffff01")],
  ["lists 7,000 deep", "msgpack", new Uint8Array(7_000).fill(0x91)],
  ["maps 2,500 deep", "msgpack", bytes("81a178".repeat(2_500))],
  ["MessagePack text that is not UTF-8", "msgpack", bytes("81a5746f6b656ea2c328")],
  ["bin for texts", "msgpack", bytes("82a5746f6b656ec40161a4626f6479c40161")],
  ["a timestamp for texts", "msgpack", bytes("82a5746f6b656ed6ff00000000a4626f6479d6ff00000000")],
  ["NaN for texts", "msgpack", bytes("82a5746f6b656ecb7ff8000000000000a4626f6479cb7ff8000000000000")],
  ["bytes behind the value", "msgpack", bytes("8000")],
  ["JSON for MessagePack", "msgpack", utf8('{"token":"t"}')],
];

/** Bodies that do not parse, in JSON and MessagePack: a login ends with 101, a channel that is open goes on. */
export function contentAttacks(attack: Attack): void {
  for (const [name, content, body] of BAD_BODIES) {
    attack(`${content}: ${name}, at login and later`, async (stand) => {
      for (const on of TRANSPORTS) {
        await badLogin(stand, on, content, body);
        await badRequest(stand, on, content, body);
      }
    });
  }

  for (const name of ["", "JSON", "xml", "__proto__", "x".repeat(3_000)]) {
    attack(`a content called ${JSON.stringify(name.slice(0, 12))} is 101`, async (stand) => {
      for (const on of TRANSPORTS) await badLogin(stand, on, name, utf8("{}"));
    });
  }
}

async function badLogin(stand: Stand, on: "ws" | "tcp", content: string, body: Uint8Array): Promise<void> {
  await stand.counts([[logins("INVALID_BODY"), 1], [closes(CLOSE.BAD_DATA), 1]], async () => {
    const client = await stand.open(on);
    const meta = new Map([["im.content", content]]);
    client.conn.send(encodePacket({ command: "login.signin", sequence: 5, meta, body }));
    await expectEnd(client, CLOSE.BAD_DATA);
    expect(client.pushes).toMatchObject([{ command: "login.signin", sequence: 5, flag: 1, status: 101 }]);
  });
}

async function badRequest(stand: Stand, on: "ws" | "tcp", content: Spoken, body: Uint8Array): Promise<void> {
  const one = await Speaker.login(stand[on], content, { token: stand.token(stand.name("bad")) });
  const counted = [[replies("INVALID_BODY"), 1], [commands("chat.user.talk", "BODY_INVALID"), 1]] as const;
  await stand.counts(counted, async () => {
    const answer = await one.wire.request("chat.user.talk", body, "bob");
    expect(answer.status).toBe(101);
    expect(one.decode("ErrorResp", answer.body)["message"]).toContain("Cannot read MessageReq: ");
  });
  const talk = await one.ask("chat.user.talk", ["MessageReq", { body: "still here" }], "MessageResp", "nobody");
  expect(talk["status"]).toBe(0);
  one.wire.close();
}
