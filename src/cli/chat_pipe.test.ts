import { describe, expect, test } from "bun:test";
import { PassThrough } from "node:stream";
import { systemClock } from "../base/clock.ts";
import { PetrelClient } from "../sdk/client.ts";
import { FakeServer } from "../sdk/fake_server.ts";
import type { ClientOptions } from "../sdk/options.ts";
import { ChatLines, PLAIN } from "./chat_line.ts";
import { chatPipe } from "./chat_pipe.ts";

/** Runs `petrel chat --as ann --to bob` on an input that is written by hand. */
function pipe(server: FakeServer, options: Partial<ClientOptions> = {}) {
  const client = new PetrelClient({ url: "ws://one", token: "ann", connect: server.connect, ...options });
  const input = new PassThrough();
  const lines: string[] = [];
  const notes: string[] = [];
  const output = { line: (text: string) => void lines.push(text), note: (text: string) => void notes.push(text) };
  const code = chatPipe(client, { peer: "bob", group: false }, new ChatLines("ann", PLAIN, systemClock), input, output);
  return {
    input,
    code,
    notes,
    texts: () => lines.map((line) => line.replace(/^── .* ──\n/, "").slice("12:03 ".length)),
  };
}

const bodies = (server: FakeServer) => server.inbox("bob").map(({ body }) => body);

describe("petrel chat with a pipe", () => {
  test("sends a message per line and ends with 0 when all are durable", async () => {
    const server = new FakeServer();
    const { input, code, texts, notes } = pipe(server);
    input.end("one\ntwo\r\n\n  \n/etc/passwd\nno end of line");
    expect(await code).toBe(0);
    expect(bodies(server)).toEqual(["one", "two", "/etc/passwd", "no end of line"]);
    expect(texts()).toEqual(["ann: one ✓", "ann: two ✓", "ann: /etc/passwd ✓", "ann: no end of line ✓"]);
    expect(notes).toEqual(["connecting", "online"]);
  });

  test("prints what comes in while the input is open", async () => {
    const server = new FakeServer();
    const { input, code, texts } = pipe(server);
    input.write("hi\n");
    while (bodies(server).length < 1) await new Promise((resolve) => setTimeout(resolve, 1));
    server.say("bob", "ann", "hello yourself");
    input.end();
    expect(await code).toBe(0);
    expect(texts()).toEqual(["ann: hi ✓", "bob: hello yourself"]);
  });

  test("ends with 1 when one message failed, after the others were sent", async () => {
    const server = new FakeServer();
    const { input, code, texts } = pipe(server);
    input.end(`one\n${"x".repeat(5_001)}\nthree\n`);
    expect(await code).toBe(1);
    expect(bodies(server)).toEqual(["one", "three"]);
    expect(texts().find((line) => line.includes("✗"))).toContain("body is longer than 5000 characters");
  });

  test("ends with 1 and the reason when the login is refused", async () => {
    const server = new FakeServer();
    server.answer = () => 105;
    const { input, code, notes } = pipe(server);
    input.end("one\n");
    expect(await code).toBe(1);
    expect(notes.at(-1)).toBe("Cannot log in: the token was refused");
  });

  test("ends with 1 and the reason when the server ends it, however long the input is open", async () => {
    const server = new FakeServer();
    const { input, code, notes, texts } = pipe(server);
    input.write("one\n");
    while (texts().length === 0) await new Promise((resolve) => setTimeout(resolve, 1));
    const twin = new PetrelClient({ url: "ws://one", token: "ann", connect: server.connect });
    await twin.login();
    expect(await code).toBe(1);
    expect(notes).toEqual(["connecting", "online", "Client is closed: kicked"]);
    await twin.close();
  });

  test("a long input goes through a queue that takes only so many", async () => {
    const server = new FakeServer();
    const { input, code } = pipe(server, { waiting: 300 });
    const lines = Array.from({ length: 2_000 }, (_, i) => String(i));
    input.end(lines.join("\n"));
    expect(await code).toBe(0);
    expect(bodies(server)).toEqual(lines);
  });

  test("a connection that breaks in between costs nothing but time", async () => {
    const server = new FakeServer();
    const { input, code, notes } = pipe(server, { random: () => 0.01 });
    let left = 3;
    server.answer = ({ header }, channel) => {
      if (header.command !== "chat.user.talk" || left === 0 || Math.random() < 0.5) return undefined;
      left--;
      channel.cut();
      return "silence";
    };
    const lines = Array.from({ length: 50 }, (_, i) => String(i));
    input.end(lines.join("\n"));
    expect(await code).toBe(0);
    expect(bodies(server)).toEqual(lines);
    expect(notes.filter((note) => note === "offline (peer gone), retrying in 0.0 s")).toHaveLength(3);
  });
});
