import { describe, expect, test } from "bun:test";
import { Book } from "../../src/web/book.ts";
import { conversationOf, keyOf } from "../../src/web/conversation.ts";
import { entry, own } from "./entry.fixture.ts";

const keys = (book: Book, key = "user:bob") => book.entries(key).map((one) => one.key);

describe("the book", () => {
  test("shows stored messages by number, whatever the clocks say", () => {
    const book = new Book();
    book.put(entry({ key: "m:2", seq: 2, timeMs: 1 }));
    book.put(entry({ key: "m:3", seq: 3, timeMs: 500 }));
    book.put(entry({ key: "m:1", seq: 1, timeMs: 9_000 }));
    expect(keys(book)).toEqual(["m:1", "m:2", "m:3"]);
  });

  test("shows a message once, however often it is told", () => {
    const book = new Book();
    for (let i = 0; i < 3; i++) book.put(entry({ key: "m:1", seq: 1 }));
    expect(keys(book)).toEqual(["m:1"]);
  });

  test("keeps what is being sent at the end, in the order it was said, until it has a number", () => {
    const book = new Book();
    book.put(own({ key: "c:a", timeMs: 3_600_000 })); // our clock is an hour ahead
    book.put(own({ key: "c:b", timeMs: 3_600_001 }));
    book.put(entry({ key: "m:1", seq: 1 }));
    expect(keys(book)).toEqual(["m:1", "c:a", "c:b"]);
    book.put(own({ key: "c:a", seq: 2, messageId: "2", state: "durable" }));
    book.put(entry({ key: "m:3", seq: 3 }));
    expect(keys(book)).toEqual(["m:1", "c:a", "m:3", "c:b"]);
  });

  test("leaves a failed message where it was said", () => {
    const book = new Book();
    book.put(entry({ key: "m:1", seq: 1, timeMs: 1 }));
    book.put(own({ key: "c:x", timeMs: 2 }));
    book.put(own({ key: "c:x", timeMs: 2, state: "failed", error: "BUSY" }));
    book.put(entry({ key: "m:2", seq: 2, timeMs: 3 }));
    expect(keys(book)).toEqual(["m:1", "c:x", "m:2"]);
    book.drop("c:x");
    book.drop("c:x");
    expect(keys(book)).toEqual(["m:1", "m:2"]);
  });

  test("what is stored stays stored, whatever is told later", () => {
    const book = new Book();
    book.put(own({ key: "c:x", seq: 1, messageId: "9", state: "durable" }));
    expect(book.put(own({ key: "c:x", state: "failed", error: "CLOSED" })).state).toBe("durable");
    expect(book.get("c:x")).toMatchObject({ state: "durable", messageId: "9" });
  });

  test("counts what was received since it was read, and reading only goes forward", () => {
    const book = new Book();
    book.put(own({ key: "c:x", seq: 1, messageId: "1", state: "durable" }));
    for (let seq = 2; seq <= 6; seq++) book.put(entry({ key: `m:${seq}`, seq }));
    expect(book.unread("user:bob")).toBe(5);
    expect(book.read("user:bob", 4)).toBe(true);
    expect(book.unread("user:bob")).toBe(2);
    expect(book.read("user:bob", 3)).toBe(false);
    expect(book.read("user:bob", book.lastSeq("user:bob"))).toBe(true);
    expect([book.unread("user:bob"), book.unread("user:nobody")]).toEqual([0, 0]);
  });

  test("lists conversations by their newest message, also those that were only opened", () => {
    const book = new Book();
    book.put(entry({ key: "m:1", seq: 1, timeMs: 10 }));
    book.put(entry({ key: "m:2", seq: 1, timeMs: 30, conversation: "user:eve" }));
    book.open("user:max", 20);
    book.open("user:bob", 99); // has messages: its newest one counts
    expect(book.summaries().map(({ key }) => key)).toEqual(["user:eve", "user:max", "user:bob"]);
  });

  test("a group and a user of one name are two conversations", () => {
    const group = keyOf({ kind: "group", id: "bob" });
    expect(group).not.toBe(keyOf({ kind: "user", id: "bob" }));
    expect(conversationOf(group)).toEqual({ kind: "group", id: "bob" });
  });

  test("older messages come in by number, also where notices and failed ones stand between", () => {
    const book = new Book();
    for (let seq = 11; seq <= 13; seq++) book.put(entry({ key: `m:${seq}`, seq, timeMs: 500 }));
    book.put(entry({ key: "n:x", state: "notice", timeMs: 500 }));
    book.put(own({ key: "c:failed", state: "failed", timeMs: 400 }));
    book.put(entry({ key: "m:14", seq: 14, timeMs: 500 }));
    for (let seq = 1; seq <= 10; seq++) book.put(entry({ key: `m:${seq}`, seq, timeMs: 500 }));
    const stored = keys(book).filter((key) => key.startsWith("m:"));
    expect(stored).toEqual(Array.from({ length: 14 }, (_, i) => `m:${i + 1}`));
    expect(keys(book).indexOf("n:x")).toBe(keys(book).indexOf("m:14") - 1);
  });

  test("lacks what the server has, until it was asked for it", () => {
    const book = new Book();
    book.told("user:bob", { head: 9, read: 4, unread: 5, last: undefined, activeMs: 0 });
    expect([book.head("user:bob"), book.lastSeq("user:bob"), book.lacks("user:bob", 1, 9)]).toEqual([9, 0, true]);
    book.asked("user:bob", 5, 9);
    expect([book.lacks("user:bob", 5, 9), book.lacks("user:bob", 4, 9)]).toEqual([false, true]);
    expect([book.lacks("user:new", 1, 0), book.lacks("user:new", 1, 1)]).toEqual([false, true]);
  });

  test("unread is what the server counted and what came since, less what was read on any device", () => {
    const book = new Book();
    const key = "user:bob";
    const last = entry({ key: "m:9", seq: 9, timeMs: 90 });
    book.told(key, { head: 9, read: 4, unread: 5, last, activeMs: 90 });
    expect(book.unread(key)).toBe(5);
    book.put(entry({ key: "m:9", seq: 9 })); // counted already
    book.put(entry({ key: "m:10", seq: 10 }));
    expect(book.unread(key)).toBe(6);
    book.read(key, 7);
    expect(book.unread(key)).toBe(3);
    book.put(own({ key: "c:x", seq: 11, messageId: "11", state: "durable" })); // who answers has read
    expect(book.unread(key)).toBe(0);
    book.put(entry({ key: "m:12", seq: 12 }));
    expect(book.unread(key)).toBe(1);
  });

  test("lists what the server says is last, until something newer is here", () => {
    const book = new Book();
    const last = entry({ key: "m:9", seq: 9, timeMs: 90 });
    book.put(entry({ key: "m:3", seq: 3, timeMs: 30 }));
    book.told("user:bob", { head: 9, read: 9, unread: 0, last, activeMs: 90 });
    book.told("group:new", { head: 0, read: 0, unread: 0, last: undefined, activeMs: 95 });
    expect(book.summaries().map(({ key, last }) => [key, last?.key])).toEqual([
      ["group:new", undefined],
      ["user:bob", "m:9"],
    ]);
    book.put(entry({ key: "m:10", seq: 10, timeMs: 100 }));
    book.put(entry({ key: "n:1", state: "notice", timeMs: 200 }));
    expect(book.summaries()[0]?.last?.key).toBe("m:10");
  });
});
