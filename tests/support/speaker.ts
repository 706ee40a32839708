import { decode, encode } from "@msgpack/msgpack";
import { encodePacket, FLAG, type Packet } from "../../src/load/packet.ts";
import { WireClient } from "../../src/load/wire_client.ts";
import { decodePlain, encodePlain, type Plain } from "../vectors/reflect.ts";

export const CONTENTS = ["protobuf", "json", "msgpack"] as const;
export type Spoken = typeof CONTENTS[number];

/**
 * A client of ours in one content, with codecs that are not ours: JSON, @msgpack/msgpack, protobufjs. Bodies are plain
 * objects; 64-bit numbers come as bigint from protobuf and MessagePack, as texts from JSON.
 */
export class Speaker {
  readonly wire: WireClient;
  readonly content: Spoken;

  constructor(wire: WireClient, content: Spoken) {
    this.wire = wire;
    this.content = content;
  }

  /** Connects and sends `login.signin`; the answer is its first push to look at. `caps`: false, an old client. */
  static async login(url: string, content: Spoken, login: Plain, device = "", caps = true): Promise<Speaker> {
    const one = new Speaker(await WireClient.open(url), content);
    const meta = new Map<string, string>([["im.content", content]]);
    if (caps) meta.set("im.caps", "1");
    if (device !== "") meta.set("im.device", device);
    one.wire.conn.send(
      encodePacket({ command: "login.signin", sequence: 1, meta, body: one.encode("LoginReq", login) }),
    );
    await one.wire.until(({ pushes }) => pushes.length > 0);
    return one;
  }

  /** The answer to the login. */
  get answer(): Plain {
    const [first] = this.wire.pushes;
    return { status: first!.status, ...this.decode(first!.status === 0 ? "LoginResp" : "ErrorResp", first!.body) };
  }

  /** Talks that were pushed, in order. */
  get talks(): Plain[] {
    return this.wire.pushes.filter((one) => one.flag === FLAG.PUSH && one.command === "chat.user.talk")
      .map((one) => this.decode("MessagePush", one.body));
  }

  get kicks(): Plain[] {
    return this.wire.pushes.filter((one) => one.flag === FLAG.PUSH && one.command === "login.signin")
      .map((one) => this.decode("KickoutNotify", one.body));
  }

  /** A request; the answer's status and, in what it says, the body. */
  async ask(command: string, [request, value]: [string, Plain], response: string, dest = ""): Promise<Plain> {
    const packet: Packet = await this.wire.request(command, this.encode(request, value), dest);
    return { status: packet.status, ...this.decode(packet.status === 0 ? response : "ErrorResp", packet.body) };
  }

  encode(type: string, value: Plain): Uint8Array {
    if (this.content === "protobuf") return encodePlain(type, value);
    return this.content === "json" ? new TextEncoder().encode(JSON.stringify(value)) : encode(value, BIG);
  }

  /** As it came: JSON and MessagePack leave defaults out, and so does this. */
  decode(type: string, body: Uint8Array): Plain {
    if (this.content === "json") return JSON.parse(new TextDecoder().decode(body)) as Plain;
    if (this.content === "msgpack") return decode(body, BIG) as Plain;
    return Object.fromEntries(
      Object.entries(decodePlain(type, body)).filter(([, value]) => Array.isArray(value) ? value.length > 0 : value),
    );
  }
}

const BIG = { useBigInt64: true } as const;
