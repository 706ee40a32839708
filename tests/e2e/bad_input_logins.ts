import { Buffer } from "node:buffer";
import { createHmac } from "node:crypto";
import { expect } from "bun:test";
import { encodePacket, MAGIC, type Packet } from "../../src/load/packet.ts";
import { Message, MessageWriter } from "../../src/load/proto.ts";
import { CLOSE, type CloseReason } from "../../src/protocol/close_reason.ts";
import { SECRET, type Transport, TRANSPORTS } from "../integration/system_local.ts";
import { type Attack, closes, expectEnd, logins, type Stand } from "./bad_input_stand.ts";

const HOUR = 3600;
const nowSeconds = () => Date.now() / 1000;
const part = (value: unknown) =>
  Buffer.from(typeof value === "string" ? value : JSON.stringify(value)).toString("base64url");

/** A compact JWT of any head and claims, signed with any hash. */
function jwt(head: unknown, claims: unknown, hash = "sha256", secret = SECRET): string {
  const text = `${part(head)}.${part(claims)}`;
  return `${text}.${createHmac(hash, secret).update(text).digest("base64url")}`;
}

const HS256 = { alg: "HS256", typ: "JWT" };
const claims = (more: object = {}) => ({ acc: "ann", app: "kim", exp: nowSeconds() + HOUR, ...more });

const BAD_TOKENS: readonly (readonly [name: string, token: () => string])[] = [
  ["no token", () => ""],
  ["a token that is none", () => "hello"],
  ["a token signed with another secret", () => jwt(HS256, claims(), "sha256", "another secret")],
  [
    "a token whose claims were changed",
    () => jwt(HS256, claims()).replace(/\.[^.]+\./, `.${part(claims({ acc: "bob" }))}.`),
  ],
  ["an expired token", () => jwt(HS256, claims({ exp: nowSeconds() - 1 }))],
  ["a token without exp", () => jwt(HS256, { acc: "ann", app: "kim" })],
  ["a token whose exp is a text", () => jwt(HS256, claims({ exp: "4102444800" }))],
  ["a token with algorithm none", () => `${part({ alg: "none", typ: "JWT" })}.${part(claims())}.`],
  ["a token with algorithm none and a signature", () => jwt({ alg: "none", typ: "JWT" }, claims())],
  ["an HS512 token", () => jwt({ alg: "HS512", typ: "JWT" }, claims(), "sha512")],
  ["an HS512 token that claims HS256", () => jwt(HS256, claims(), "sha512")],
  ["a token with critical extensions", () => jwt({ ...HS256, crit: ["b64"] }, claims())],
  ["a token whose claims are a list", () => jwt(HS256, [claims()])],
  ["a token of 4,097 characters", () => jwt(HS256, claims({ pad: "x".repeat(3_000) })).padEnd(4_097, "A")],
];

const BAD_NAMES: readonly (readonly [name: string, text: string])[] = [
  ["61 characters", "x".repeat(61)],
  ["61 emoji", "😀".repeat(61)],
  ["a zero byte", "an\u0000n"],
  ["a line break", "an\nn"],
  ["a C1 control", "an\u0085n"],
  ["a space", "an n"],
  ["a no-break space", "an\u00a0n"],
  ["a comma", "an,n"],
  ["a slash", "an/n"],
  ["a bar", "an|n"],
  ["a colon", "an:n"],
  ["a line separator", "an\u2028n"],
];

interface Sent {
  readonly token: string;
  readonly meta?: ReadonlyMap<string, string>;
}

const signIn = ({ token, meta }: Sent) =>
  encodePacket({
    command: "login.signin",
    sequence: 5,
    meta: meta ?? new Map(),
    body: new MessageWriter().text(1, token).done(),
  });

/** Logins that must be refused, and some that only look strange. */
export function loginAttacks(attack: Attack): void {
  for (const [name, token] of BAD_TOKENS) {
    attack(
      name,
      (stand) => refusedOnBoth(stand, () => signIn({ token: token() }), 105, CLOSE.UNAUTHORIZED, "UNAUTHORIZED"),
    );
  }

  attack("an empty account or app in the token", async (stand) => {
    for (const more of [{ acc: "" }, { app: "" }, { acc: 7 }, { acc: null }]) {
      await refusedOnBoth(
        stand,
        () => signIn({ token: jwt(HS256, claims(more)) }),
        105,
        CLOSE.UNAUTHORIZED,
        "UNAUTHORIZED",
      );
    }
  });

  for (const [name, text] of BAD_NAMES) {
    attack(`${name} in an account, an app and a device`, async (stand) => {
      for (const more of [{ acc: text }, { app: text }]) {
        await refusedOnBoth(
          stand,
          () => signIn({ token: jwt(HS256, claims(more)) }),
          105,
          CLOSE.UNAUTHORIZED,
          "UNAUTHORIZED",
        );
      }
      const meta = new Map([["im.device", text]]);
      await refusedOnBoth(
        stand,
        () => signIn({ token: jwt(HS256, claims()), meta }),
        101,
        CLOSE.BAD_DATA,
        "INVALID_BODY",
      );
    });
  }

  attack("a login body that is no LoginReq", (stand) => {
    const packet = encodePacket({ command: "login.signin", sequence: 5, body: Uint8Array.of(0x0a, 0x7f, 1) });
    return refusedOnBoth(stand, () => packet, 101, CLOSE.BAD_DATA, "INVALID_BODY");
  });

  attack("names of 60 characters, CJK and emoji too, and an empty device, are taken", async (stand) => {
    for (
      const [account, device] of [["汉".repeat(60), "😀".repeat(60)], [
        `${"x".repeat(50)}${stand.name("")}`,
        "",
      ]] as const
    ) {
      for (const on of TRANSPORTS) {
        const client = await stand.login(on, account, { meta: new Map([["im.device", device]]) });
        expect(client.account).toBe(account);
        expect(client.channelId).toContain(account);
        client.close();
      }
    }
  });

  attack("metas of another type are not read, 32 of them are taken", async (stand) => {
    for (const on of TRANSPORTS) {
      for (const type of [0, 2, 99, -1]) {
        // Read as texts they would be refused (the device) or change the answer (caps).
        const metas = [["im.device", "a b"], ["im.caps", "1"], ...Array.from({ length: 30 }, (_, i) => [`x${i}`, "1"])];
        const answer = await firstAnswer(stand, on, typedMetas(stand.token(stand.name("typed")), metas, type));
        expect(answer.status).toBe(0);
        expect(new Message(answer.body).fields.map(({ number }) => number)).toEqual([1, 2]); // as an old client's
      }
    }
  });

  attack("what a client writes of itself into the login's header changes nothing", async (stand) => {
    for (const on of TRANSPORTS) {
      const account = stand.name("liar");
      const client = await stand.open(on);
      client.conn.send(encodePacket({
        command: "login.signin",
        sequence: 6,
        flag: 2,
        status: 404,
        channelId: "gate01_victim_1",
        dest: "victim",
        meta: new Map([["account", "victim"], ["app", "other"], ["dest.server", "chat99"], ["dest.channels", "a,b"]]),
        body: new MessageWriter().text(1, stand.token(account)).done(),
      }));
      await client.until(() => client.pushes.length === 1);
      const [answer] = client.pushes;
      expect(answer).toMatchObject({ command: "login.signin", sequence: 6, flag: 1, status: 0 });
      expect(answer!.meta.size).toBe(0);
      expect(answer!.channelId).toContain(account);
      client.close();
    }
  });
}

/** On each transport: the answer says this status, then the connection ends for this reason; both are counted. */
async function refusedOnBoth(
  stand: Stand,
  packet: () => Uint8Array,
  status: number,
  why: CloseReason,
  outcome: string,
): Promise<void> {
  for (const on of TRANSPORTS) {
    await stand.counts([[logins(outcome), 1], [closes(why), 1]], async () => {
      const client = await stand.open(on);
      client.conn.send(packet());
      await expectEnd(client, why);
      expect(client.pushes).toMatchObject([{ command: "login.signin", sequence: 5, flag: 1, status, channelId: "" }]);
    });
  }
}

async function firstAnswer(stand: Stand, on: Transport, packet: Uint8Array): Promise<Packet> {
  const client = await stand.open(on);
  client.conn.send(packet);
  await client.until(() => client.pushes.length === 1);
  client.close();
  return client.pushes[0]!;
}

/** A login whose metas have this type. */
function typedMetas(token: string, metas: readonly (readonly string[])[], type: number): Uint8Array {
  const header = new MessageWriter().text(1, "login.signin").int(3, 5);
  for (const [key, value] of metas) {
    header.bytes(7, new MessageWriter().text(1, key!).text(2, value!).int(3, type).done(), true);
  }
  const head = header.done();
  const body = new MessageWriter().text(1, token).done();
  const out = new Uint8Array(12 + head.length + body.length);
  const view = new DataView(out.buffer);
  view.setUint32(0, MAGIC.LOGIC);
  view.setUint32(4, head.length);
  out.set(head, 8);
  view.setUint32(8 + head.length, body.length);
  out.set(body, 12 + head.length);
  return out;
}
