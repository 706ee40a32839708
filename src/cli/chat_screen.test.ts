import { expect, test } from "bun:test";
import { systemClock } from "../base/clock.ts";
import { ChatScreen } from "./chat_screen.ts";
import { FakeTerminal } from "./fake_terminal.fixture.ts";

function open(columns = 40) {
  const fake = new FakeTerminal(columns);
  const entered: string[] = [];
  let quits = 0;
  const events = { line: (text: string) => void entered.push(text), quit: () => void quits++ };
  const screen = new ChatScreen(fake.terminal, "bob> ", events, systemClock);
  return { fake, screen, entered, quits: () => quits };
}

test("what is printed stands above the line being typed, which stays as it is", async () => {
  const { fake, screen } = open();
  await fake.type("half a sen");
  screen.print("12:03 bob: hi");
  screen.print("12:03 bob: there");
  await fake.settled();
  expect(fake.text).toBe("12:03 bob: hi\n12:03 bob: there\nbob> half a sen");
  await fake.type("tence");
  expect(fake.text).toBe("12:03 bob: hi\n12:03 bob: there\nbob> half a sentence");
  screen.close();
});

test("also when that line has several rows, and the cursor is in the middle of it", async () => {
  const { fake, screen, entered } = open(20);
  const text = "a line that is much longer than the terminal is wide";
  await fake.type(text + "\x1b[D".repeat(30));
  const { cursor: [row, column] } = fake;
  screen.print("one");
  await fake.settled();
  screen.print("two");
  await fake.settled();
  expect(fake.cursor).toEqual([row + 2, column]);
  await fake.type("XX");
  const typed = `${text.slice(0, -30)}XX${text.slice(-30)}`;
  expect(fake.rows.slice(0, 2)).toEqual(["one", "two"]);
  expect(fake.rows.slice(2).join("")).toBe(`bob> ${typed}`);
  await fake.type("\r");
  expect(entered).toEqual([typed]);
  expect(fake.text).toBe("one\ntwo\nbob>");
  screen.close();
});

test.each([[1], [14], [15], [16], [34], [35], [36]])(
  "an entered line of %d characters leaves nothing behind",
  async (length) => {
    const { fake, screen, entered } = open(20);
    screen.print("above");
    await fake.type("x".repeat(length));
    await fake.type("\r");
    expect(entered).toEqual(["x".repeat(length)]);
    expect(fake.text).toBe("above\nbob>");
    screen.close();
  },
);

test("the live part changes in place, is cut to the width, and goes away", async () => {
  const { fake, screen } = open(20);
  await fake.type("typing");
  screen.live(["12:03 ann: hello to everybody …", "offline"]);
  await fake.settled();
  expect(fake.text).toBe("12:03 ann: hello t…\noffline\nbob> typing");
  screen.live(["offline, 2 s"]);
  screen.print("12:03 ann: hello ✓");
  await fake.settled();
  expect(fake.text).toBe("12:03 ann: hello ✓\noffline, 2 s\nbob> typing");
  screen.live([]);
  await fake.settled();
  expect(fake.text).toBe("12:03 ann: hello ✓\nbob> typing");
  screen.close();
});

test("entering a line takes the echo away, with the live part above it", async () => {
  const { fake, screen, entered } = open();
  screen.live(["one …", "two …"]);
  await fake.settled();
  await fake.type("three\r");
  expect(entered).toEqual(["three"]);
  expect(fake.text).toBe("one …\ntwo …\nbob>");
  await fake.type("a\rb\rc");
  expect(entered).toEqual(["three", "a", "b"]);
  expect(fake.text).toBe("one …\ntwo …\nbob> c");
  screen.close();
});

test("another prompt keeps what is typed", async () => {
  const { fake, screen } = open();
  await fake.type("hi");
  screen.prompt("eve> ");
  await fake.settled();
  expect(fake.text).toBe("eve> hi");
  screen.close();
});

test("Ctrl-C and Ctrl-D quit; closing leaves only what was printed", async () => {
  for (const key of ["\x03", "\x04"]) {
    const { fake, screen, quits } = open();
    screen.print("12:03 bob: hi");
    screen.live(["offline"]);
    await fake.settled();
    await fake.type(key);
    expect(quits()).toBe(1);
    screen.print("bye");
    screen.close();
    screen.close();
    await fake.settled();
    expect(fake.text).toBe("12:03 bob: hi\nbye");
  }
});
