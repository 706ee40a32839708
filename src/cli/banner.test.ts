import { expect, test } from "bun:test";
import { banner, petrelCommand } from "./banner.ts";

test.each(
  [
    ["a clone", "bun", "/usr/local/bin/bun", "bun run petrel"],
    ["a clone", "bun", "/home/a/.npm/_npx/1a2b/node_modules/bun/bin/bun.exe", "npx -y bun run petrel"],
    ["a clone", "deno", "C:\\npm-cache\\_npx\\1a2b\\node_modules\\deno\\deno.exe", "npx -y deno task petrel"],
    ["a clone", "deno", "/root/.deno/bin/deno", "deno task petrel"],
    ["a project", "bun", "/usr/local/bin/bun", "bunx petrel"],
    ["a project", "bun", "/home/a/chat/node_modules/bun/bin/bun.exe", "npx petrel"],
    ["a project", "bun", "/home/a/.npm/_npx/1a2b/node_modules/bun/bin/bun.exe", "npx -y bun x petrel"],
    ["a project", "deno", "/root/.deno/bin/deno", "deno run -A npm:petrel"],
    ["a project", "deno", "/home/a/.npm/_npx/1a2b/node_modules/deno/deno", "npx -y deno run -A npm:petrel"],
  ] as const,
)("petrel in %s on %s at %s is called as %s", (where, runtime, executable, command) => {
  expect(petrelCommand(runtime, executable, where === "a project")).toBe(command);
});

test("the banner has URLs to click, commands to paste, and says what Success means", () => {
  const facts = {
    version: "1.0.0",
    runtime: "bun 1.4.5",
    http: "http://localhost:8000",
    ws: "ws://localhost:8000",
    tcp: "tcp://localhost:8001",
    messages: "./data/messages.db",
    tokens: [{ account: "ann", token: "t1" }, { account: "bob", token: "t2" }],
    command: "bun run petrel",
    startMs: 47,
    wsFlag: "",
    tcpFlag: " --url tcp://localhost:8001",
    dataFlag: "",
    demo: true,
  };
  const full = banner({ ...facts, sync: "full" }, false);
  expect(full).toContain("http://localhost:8000/health");
  expect(full).toContain("http://localhost:8000/?as=ann&to=bob\n");
  expect(full).toContain("http://localhost:8000/?as=bob&to=ann\n");
  expect(banner({ ...facts, sync: "full", demo: false }, false)).not.toContain("?as=ann");
  expect(full).toContain("bun run petrel chat --as ann --to bob\n");
  expect(full).toContain("bun run petrel chat --as bob --to ann --url tcp://localhost:8001\n");
  expect(full).toContain("committed and synced");
  expect(banner({ ...facts, sync: "normal" }, false)).toContain("committed, not synced");
});
