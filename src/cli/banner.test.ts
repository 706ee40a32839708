import { expect, test } from "bun:test";
import { banner, petrelCommand } from "./banner.ts";

test.each(
  [
    ["bun", "/usr/local/bin/bun", "bun run petrel"],
    ["bun", "/home/a/.npm/_npx/1a2b/node_modules/bun/bin/bun.exe", "npx -y bun run petrel"],
    ["deno", "C:\\npm-cache\\_npx\\1a2b\\node_modules\\deno\\deno.exe", "npx -y deno task petrel"],
    ["deno", "/root/.deno/bin/deno", "deno task petrel"],
  ] as const,
)("petrel on %s at %s is called as %s", (runtime, executable, command) => {
  expect(petrelCommand(runtime, executable)).toBe(command);
});

test("the banner has URLs to click, commands to paste, and says what Success means", () => {
  const facts = {
    version: "1.0.0",
    runtime: "bun 1.4.5",
    http: "http://localhost:8000",
    ws: "ws://localhost:8000",
    tcp: "tcp://localhost:8001",
    data: "./data",
    tokens: [{ account: "ann", token: "t1" }, { account: "bob", token: "t2" }],
    command: "bun run petrel",
    startMs: 47,
    wsFlag: "",
    tcpFlag: " --url tcp://localhost:8001",
    dataFlag: "",
  };
  const full = banner({ ...facts, sync: "full" }, false);
  expect(full).toContain("http://localhost:8000/health");
  expect(full).toContain("bun run petrel chat --as ann --to bob\n");
  expect(full).toContain("bun run petrel chat --as bob --to ann --url tcp://localhost:8001\n");
  expect(full).toContain("committed and synced");
  expect(banner({ ...facts, sync: "normal" }, false)).toContain("committed, not synced");
});
