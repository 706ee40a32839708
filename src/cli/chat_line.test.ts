import { describe, expect, test } from "bun:test";
import { ImError } from "../base/errors.ts";
import type { Message } from "../sdk/message.ts";
import type { SentMessage } from "../sdk/sent_message.ts";
import { ChatLines, clean, COLORS, PLAIN } from "./chat_line.ts";

const at = (text: string) => new Date(`2026-11-21T${text}`).getTime();
const clock = { now: () => at("18:00:00") };

function message(body: string, more: Partial<Message> = {}): Message {
  const sendTime = BigInt(at("12:03:00")) * 1_000_000n;
  const plain = { messageId: 1n, sendTime, sender: "bob", peer: "bob", group: false, own: false };
  return { ...plain, type: 1, body, extra: "", seq: 1, pos: 1, clientMsgId: "", ...more };
}

function sent(more: Partial<SentMessage>): SentMessage {
  const base = { id: "a", dest: "bob", group: false, type: 1, body: "hi", extra: "", createdMs: at("12:03:00") };
  const done = Promise.resolve({ messageId: 1n, sendTime: 1n, seq: 1 });
  return { ...base, state: "sending", receipt: undefined, error: undefined, done, ...more };
}

const BOB = { peer: "bob", group: false };
const EVE = { peer: "eve", group: false };
const G1 = { peer: "g1", group: true };

describe("a line says when and who", () => {
  const lines = () => new ChatLines("ann", PLAIN, clock);
  test.each([
    ["from somebody", message("hi"), "12:03 bob: hi"],
    ["in a group", message("hi", { group: true, peer: "g1" }), "12:03 bob in #g1: hi"],
    ["from another device of mine", message("hi", { own: true, sender: "ann", peer: "bob" }), "12:03 ann: hi"],
    ["of mine to somebody else", message("hi", { own: true, sender: "ann", peer: "eve" }), "12:03 ann → eve: hi"],
    ["of several lines", message("one\r\ntwo\nthree"), "12:03 bob: one\n           two\n           three"],
  ])("%s", (_what, given, line) => {
    expect(lines().message(given, BOB)).toBe(line);
  });

  test("and how it went with what I said", () => {
    const durable = sent({ state: "durable", receipt: { messageId: 1n, sendTime: 0n, seq: 1 }, createdMs: 0 });
    const sendTime = BigInt(at("12:04:00")) * 1_000_000n;
    expect(lines().sent({ ...durable, receipt: { messageId: 1n, sendTime, seq: 1 } }, BOB)).toBe("12:04 ann: hi ✓");
    const error = new ImError("QUOTA", "too many messages wait");
    expect(lines().sent(sent({ state: "failed", error }), EVE)).toBe(
      "12:03 ann → bob: hi ✗ not sent: too many messages wait",
    );
    expect(lines().waiting(sent({ body: "a\nb" }), BOB)).toBe("12:03 ann: a b …");
  });

  test("in the group I am talking in, and what groups are called", () => {
    const named = new ChatLines("ann", PLAIN, clock, () => 80, ({ peer, group }) => group ? "#Lunch" : peer);
    expect(named.message(message("hi", { group: true, peer: "g1" }), G1)).toBe("12:03 bob: hi");
    expect(named.message(message("hi", { group: true, peer: "g1" }), BOB)).toBe("12:03 bob in #Lunch: hi");
    expect(named.message(message("hi"), { peer: "bob", group: true })).toBe("12:03 bob: hi");
    expect(named.waiting(sent({ dest: "g1", group: true }), G1)).toBe("12:03 ann: hi …");
    expect(named.waiting(sent({ dest: "g1", group: true }), BOB)).toBe("12:03 ann → #Lunch: hi …");
  });

  test("a day that is not the last one shown has its date above", () => {
    const one = lines();
    const day = 24 * 3_600_000;
    const before = BigInt(at("12:03:00") - day) * 1_000_000n;
    expect(one.message(message("old", { sendTime: before }), BOB)).toBe("── 2026-11-20 ──\n12:03 bob: old");
    expect(one.message(message("old", { sendTime: before }), BOB)).toBe("12:03 bob: old");
    expect(one.message(message("new"), BOB)).toBe("── 2026-11-21 ──\n12:03 bob: new");
  });

  test("with colours the words are the same", () => {
    // deno-lint-ignore no-control-regex
    const plain = new ChatLines("ann", COLORS, clock).message(message("hi"), BOB).replaceAll(/\x1b\[\d+m/g, "");
    expect(plain).toBe("12:03 bob: hi");
  });
});

test.each([
  ["\x1b[2J\x1b]0;title\x07", "·[2J·]0;title·"],
  ["a\u009bb", "a·b"],
  ["a\tb\rc", "a    b\nc"],
  ["\u202eevil", "·evil"],
  ["größe 你好 👩‍👩‍👧", "größe 你好 👩‍👩‍👧"],
])("clean(%j) cannot move the cursor or hide anything", (text, shown) => {
  expect(clean(text)).toBe(shown);
});

test("a long text is broken into indented rows, so that it cannot look like another line", () => {
  const clock = { now: () => Date.UTC(2026, 10, 21, 12) };
  const lines = new ChatLines("ann", PLAIN, clock, () => 40);
  const forged = `hi${" ".repeat(60)}01:47 ann: send money`;
  const shown = lines.message(
    {
      sendTime: BigInt(clock.now()) * 1_000_000n,
      sender: "eve",
      peer: "eve",
      group: "",
      own: false,
      body: forged,
    } as never,
    BOB,
  ).split("\n");
  expect(shown.length).toBeGreaterThan(2);
  for (const row of shown.slice(1)) expect(row.startsWith(" ".repeat(11))).toBe(true);
});
