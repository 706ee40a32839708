import { expect, test } from "bun:test";
import process from "node:process";
import { findSecret, signToken } from "../../src/cli/token.ts";
import { PetrelClient } from "../../src/sdk/client.ts";
import { type Child, ROOT, RUNTIME, start, startScript } from "../support/processes.ts";
import { freePort } from "../support/free_port.ts";
import { type TempDir, tempDir } from "../support/temp.ts";

const MAIN = "src/cli/main.ts";
const SECONDS = 60_000;

async function dev(dir: TempDir, http = 0, tcp = 0): Promise<{ server: Child; ws: string; tcp: string }> {
  const flags = ["--data", dir.path, "--http", `localhost:${http}`, "--tcp", `localhost:${tcp}`];
  const server = await startScript(MAIN, ["dev", ...flags]);
  const [, tcpUrl] = await server.find(/TCP +(tcp:\S+)/);
  const [, ws] = await server.find(/WebSocket +(ws:\S+)/);
  return { server, ws: ws!, tcp: tcpUrl! };
}

/** A shell line that runs `petrel …` on the runtime of these tests. */
function petrel(...args: string[]): string {
  const run = RUNTIME === "deno" ? ["run", "-A", "--no-check", "--config", `${ROOT}deno.json`] : ["run"];
  return [process.execPath, ...run, `${ROOT}${MAIN}`, ...args].map((word) => `'${word}'`).join(" ");
}

const shell = (line: string) => start("sh", ["-c", line]);

test("petrel token prints a token that petrel chat can use", async () => {
  await using dir = await tempDir();
  const { server, ws } = await dev(dir);
  await using _server = server;
  await using token = await startScript(MAIN, ["token", "--account", "ann", "--data", dir.path]);
  expect((await token.exited).code).toBe(0);
  const args = ["chat", "--as", "ann", "--to", "bob", "--url", ws, "--data", dir.in("elsewhere")];
  await using chat = await shell(`echo hi | ${petrel(...args, "--token", token.stdout.trim())}`);
  expect(await chat.exited).toEqual({ code: 0, signal: null });
  expect(chat.stdout).toMatch(/^\d\d:\d\d ann: hi ✓\n$/);
}, SECONDS);

test(
  "piped lines survive a server that is killed and started again; the receiver has each once, in order",
  async () => {
    await using dir = await tempDir();
    const ports = [await freePort(), await freePort()] as const;
    const first = await dev(dir, ...ports);
    await using _first = first.server;
    const lines = `for i in $(seq 1 400); do echo $i; if [ $((i % 20)) = 0 ]; then sleep 0.1; fi; done`;
    const sender = ["chat", "--as", "ann", "--to", "bob", "--url", first.tcp, "--data", dir.path];
    await using sending = await shell(`(${lines}) | ${petrel(...sender)}`);
    await sending.find(/ann: 60 ✓/);
    await first.server.kill();
    await sending.find(/offline/);
    const second = await dev(dir, ...ports);
    await using _second = second.server;
    expect(await sending.exited).toEqual({ code: 0, signal: null });

    const receiver = ["chat", "--as", "bob", "--to", "ann", "--url", first.ws, "--data", dir.path];
    const received: string[] = [];
    for (let run = 0; run < 2; run++) { // the second run must not repeat what the first has shown
      await using receiving = await shell(`sleep 2 | ${petrel(...receiver)}`);
      expect(await receiving.exited).toEqual({ code: 0, signal: null });
      received.push(...receiving.stdout.trim().split("\n").filter((line) => line !== ""));
    }
    expect(received.map((line) => line.slice("12:03 ann: ".length))).toEqual(
      Array.from({ length: 400 }, (_, i) => String(i + 1)),
    );
  },
  SECONDS,
);

test("petrel chat --group talks in a group; whoever is in it hears it", async () => {
  await using dir = await tempDir();
  const { server, ws, tcp } = await dev(dir);
  await using _server = server;
  const secret = findSecret(dir.path)!;
  const client = new PetrelClient({ url: ws, token: () => signToken("bob", "kim", 1, secret) });
  const heard: string[] = [];
  client.onMessage(({ sender, body, peer }) => void heard.push(`${sender} in ${peer}: ${body}`));
  await client.login();
  const group = await client.groups.create({ name: "Lunch", members: ["ann"] });
  const args = ["chat", "--as", "ann", "--group", group, "--url", tcp, "--data", dir.path];
  await using chat = await shell(`echo noon? | ${petrel(...args)}`);
  expect(await chat.exited).toEqual({ code: 0, signal: null });
  expect(chat.stdout).toMatch(/^\d\d:\d\d ann: noon\? ✓\n$/);
  while (heard.length < 1) await new Promise((resolve) => setTimeout(resolve, 5));
  expect(heard).toEqual([`ann in ${group}: noon?`]);
  await client.close();
}, SECONDS);

test.each([
  [["chat"], 2, "--as is missing"],
  [["chat", "--as", "ann", "--to", "bob", "--data", "/nonexistent"], 2, "start `petrel dev` first, or give --token"],
  [["chat", "--as", "ann", "--to", "bob", "--group", "g1"], 2, "--to and --group: give one of them"],
  [["chat", "--as", "ann"], 2, "--to or --group is missing"],
  [["chat", "--as", "ann", "--group", "a/b"], 2, '--group is "a/b"'],
  [["chat", "--as", "ann", "--to", "bob", "--url", "http://x"], 2, "expected ws://host:port"],
  [["chatt"], 2, "did you mean chat?"],
])("petrel %j ends with %d and says why", async (args, code, hint) => {
  await using child = await startScript(MAIN, args);
  expect((await child.exited).code).toBe(code);
  expect(child.stderr).toContain(hint);
}, SECONDS);
