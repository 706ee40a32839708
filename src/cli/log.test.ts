import { describe, expect, test } from "bun:test";
import { ImError } from "../base/errors.ts";
import { FakeClock } from "../base/fake_clock.ts";
import { startScript } from "../../tests/support/processes.ts";
import { LOG_LEVELS, type LogLevel, openLog } from "./log.ts";
import { readableLine } from "./log_line.ts";

function recorded(level: LogLevel = "debug") {
  const lines: string[] = [];
  const log = openLog({ level, readable: false, write: (line) => lines.push(line) });
  return { log, lines, records: () => lines.map((line): Record<string, unknown> => JSON.parse(line)) };
}

describe("openLog", () => {
  test("writes one line of JSON with level, time, message and fields", () => {
    const { log, lines, records } = recorded();
    log.info("channel opened", { channelId: "c1", account: "ann" });
    expect(lines.length).toBe(1);
    expect(lines[0]).toMatch(/\n$/);
    expect(records()[0]).toEqual({
      level: "info",
      time: expect.stringMatching(/^\d{4}-\d\d-\d\dT[\d:.]+Z$/),
      msg: "channel opened",
      channelId: "c1",
      account: "ann",
    });
  });

  test.each([...LOG_LEVELS])("at level %s it leaves out what is below", (level) => {
    const { log, records } = recorded(level);
    for (const name of ["debug", "info", "warn", "error"] as const) log[name]("x");
    expect(records().map((record) => record["level"])).toEqual(LOG_LEVELS.slice(LOG_LEVELS.indexOf(level), -1));
  });

  test("a child's lines carry its fields", () => {
    const { log, records } = recorded();
    log.child({ serviceId: "gate01" }).child({ n: 1n }).warn("slow", { bytes: 5 });
    expect(records()[0]).toMatchObject({ serviceId: "gate01", n: "1", bytes: 5, msg: "slow" });
  });

  test("takes every kind of field", () => {
    const { log, records } = recorded();
    const circle: Record<string, unknown> = {};
    circle["self"] = circle;
    log.info("x", {
      id: 2n ** 63n,
      list: [1n],
      map: new Map([["a", 1n]]),
      set: new Set(["b"]),
      bytes: new Uint8Array(3),
      none: undefined,
      nothing: null,
      infinite: Infinity,
      when: new Date(0),
      run: () => {},
      circle,
      broken: {
        get it(): string {
          throw new Error("no");
        },
      },
    });
    expect(records()[0]).toMatchObject({
      id: "9223372036854775808",
      list: ["1"],
      map: { a: "1" },
      set: ["b"],
      bytes: "[3 bytes]",
      nothing: null,
      infinite: "Infinity",
      when: "1970-01-01T00:00:00.000Z",
      run: "[function]",
      circle: { self: { self: { self: { self: "[Object]" } } } },
      broken: "[no]",
    });
    expect("none" in records()[0]!).toBe(false);
  });

  test("shows an error with code, stack and cause", () => {
    const { log, records } = recorded();
    log.error("cannot commit", { error: new ImError("SYSTEM", "not stored", { cause: new Error("disk") }) });
    expect(records()[0]!["error"]).toEqual({
      code: "SYSTEM",
      message: "not stored",
      stack: expect.stringContaining("log.test.ts"),
      cause: { message: "disk", stack: expect.stringContaining("disk") },
    });
  });

  test("of warnings and errors with the same error only some are written, and how many are left out is told", () => {
    const lines: string[] = [];
    const clock = new FakeClock();
    const log = openLog({ level: "info", readable: false, write: (line) => lines.push(line), clock });
    const fail = (what: string) => log.child({ n: 1 }).error("request failed", { error: new Error(what) });
    for (let i = 0; i < 500; i++) fail("the store has no answer");
    fail("something else");
    for (let i = 0; i < 50; i++) log.info("same");
    expect(lines.length).toBe(20 + 1 + 50);
    clock.advance(10_000);
    fail("the store has no answer");
    expect(JSON.parse(lines.at(-1)!)).toMatchObject({
      leftOut: 480,
      n: 1,
      error: { message: "the store has no answer" },
    });
  });

  test("writes to standard output, the last line before a crash too", async () => {
    await using child = await startScript("src/cli/log.fixture.ts");
    expect((await child.exited).code).toBe(3);
    expect(child.stdout.trim().split("\n").map((line) => JSON.parse(line).n)).toEqual([...Array(1000).keys()]);
  });
});

describe("readableLine", () => {
  const at = "2026-01-02T03:04:05.678Z";
  const clock = /^\d\d:\d\d:05\.678 /;

  test("is short, and quotes what has spaces", () => {
    const line = readableLine(
      JSON.stringify({ level: "warn", time: at, msg: "queue full", account: "ann", why: "too slow", n: 1, list: [1] }),
      false,
    );
    expect(line).toMatch(clock);
    expect(line.replace(clock, "")).toBe(`warn  queue full  account=ann  why="too slow"  n=1  list=[1]\n`);
  });

  test("leaves out the stack of an error with a code in a warning: its words say it", () => {
    const error = { code: "CLOSED", message: "nobody answers there", stack: "ImError: nobody\n  at x" };
    const lines = (level: string, error: object) =>
      readableLine(JSON.stringify({ level, time: at, msg: "m", error }), false).trimEnd().split("\n").length;
    expect(lines("warn", error)).toBe(1);
    expect(lines("error", error)).toBe(3);
    expect(lines("warn", { ...error, code: undefined })).toBe(3); // a fault of ours
  });

  test("puts stacks below, causes after them", () => {
    const error = { message: "a", stack: "Error: a\n  at x", cause: { message: "b", stack: "Error: b", cause: 7 } };
    const line = readableLine(JSON.stringify({ level: "error", time: at, msg: "m", error }), false);
    expect(line.split("\n").slice(1, -1)).toEqual([
      "    Error: a",
      "      at x",
      "    Cause: Error: b",
      "    Cause: 7",
    ]);
    expect(line.split("\n")[0]).toMatch(/error=a$/);
  });

  test("colors when asked to", () => {
    expect(readableLine(JSON.stringify({ level: "info", time: at, msg: "m" }), true)).toContain(
      "\x1b[32minfo \x1b[0m m",
    );
  });

  test("gives back what is no JSON", () => {
    expect(readableLine("what?\n", false)).toBe("what?\n");
  });
});
