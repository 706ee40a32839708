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
    for (let seq = 1; seq <= 5; seq++) book.put(entry({ key: `m:${seq}`, seq }));
    book.put(own({ key: "c:x", seq: 6, messageId: "6", state: "durable" }));
    expect(book.unread("user:bob")).toBe(5);
    expect(book.read("user:bob", 3)).toBe(true);
    expect(book.unread("user:bob")).toBe(2);
    expect(book.read("user:bob", 2)).toBe(false);
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
});
