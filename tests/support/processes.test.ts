import { describe, expect, test } from "bun:test";
import { existsSync } from "node:fs";
import { createServer } from "node:net";
import { writeFile } from "node:fs/promises";
import process from "node:process";
import { freePort } from "./free_port.ts";
import { hasEnded, isRunning, start, startScript } from "./processes.ts";
import { tempDir } from "./temp.ts";

describe("start", () => {
  const forever = "echo http://localhost:1234 ready; echo oops >&2; sleep 60";

  test("finds a line, in what came before too", async () => {
    await using child = await start("sh", ["-c", forever]);
    expect((await child.find(/http:\S+/))[0]).toBe("http://localhost:1234");
    expect((await child.find(/o+ps/))[0]).toBe("oops");
    expect((await child.find(/ready/)).index).toBeGreaterThan(0);
  });

  test("says what the process wrote when it ends without the line", async () => {
    await using child = await start("sh", ["-c", "echo sorry; exit 3"]);
    await expect(child.find(/ready/)).rejects.toThrow(/the process ended\nsorry/);
    expect(await child.exited).toEqual({ code: 3, signal: null });
  });

  test("gives up when the line does not come in time", async () => {
    await using child = await start("sh", ["-c", forever]);
    await expect(child.find(/never/, 30)).rejects.toThrow(/nothing in 30 ms/);
  });

  test("kills, and leaves no process behind", async () => {
    let pid = 0;
    {
      await using child = await start("sleep", ["60"]);
      pid = child.pid;
      expect(isRunning(pid)).toBe(true);
    }
    expect(isRunning(pid)).toBe(false);
  });

  test("kills what a process started, too", async () => {
    await using child = await start("sh", ["-c", "sleep 60 & echo pid $!; wait"]);
    const pid = Number((await child.find(/pid (\d+)/))[1]);
    await child.kill();
    expect(await hasEnded(pid)).toBe(true);
  });

  test("kills what is left when the tests themselves end without a word", async () => {
    await using outer = await startScript("tests/support/forgetful.fixture.ts");
    const pid = Number((await outer.find(/forgot (\d+)/))[1]);
    process.kill(outer.pid, "SIGKILL"); // not its group
    await outer.exited;
    expect(await hasEnded(pid)).toBe(true);
  });

  test("stopping twice gives the same end", async () => {
    await using child = await start("sleep", ["60"]);
    expect(await child.stop()).toEqual({ code: null, signal: "SIGTERM" });
    expect(await child.kill()).toEqual({ code: null, signal: "SIGTERM" });
  });

  test("hands over the environment, less what is undefined", async () => {
    await using child = await start("sh", ["-c", 'echo "[$PETREL_A][$HOME]"'], {
      env: { PETREL_A: "a", HOME: undefined },
    });
    await child.exited;
    expect(child.stdout).toBe("[a][]\n");
  });

  test("refuses a program that does not exist", async () => {
    await expect(start("no-such-program-here", [])).rejects.toThrow("Cannot start no-such-program-here");
  });
});

test("tempDir is gone after its block, with its files", async () => {
  let path = "";
  {
    await using dir = await tempDir();
    path = dir.path;
    await writeFile(dir.in("file"), "x");
    expect(existsSync(dir.in("file"))).toBe(true);
  }
  expect(existsSync(path)).toBe(false);
});

test("freePort gives a port one can listen on", async () => {
  const port = await freePort();
  const server = createServer();
  await new Promise<void>((resolve, reject) => server.once("error", reject).listen(port, "127.0.0.1", resolve));
  await new Promise((resolve) => server.close(resolve));
});
