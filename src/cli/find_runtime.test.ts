import { expect, test } from "bun:test";
import { findRuntime } from "./find_runtime.ts";

const PLACES = {
  from: ["/home/a/chat", "/home/a/chat/node_modules/petrel/src/cli"],
  path: "/usr/bin:/opt/bin",
  suffix: "",
};
const BUN = { args: [] };
const DENO = { args: ["run", "-A"] };

test.each(
  [
    ["the project's Bun before one on PATH", ["/usr/bin/bun", "/home/a/chat/node_modules/.bin/bun"], {
      ...BUN,
      program: "/home/a/chat/node_modules/.bin/bun",
    }],
    ["what a folder above installed", ["/home/a/node_modules/.bin/deno"], {
      ...DENO,
      program: "/home/a/node_modules/.bin/deno",
    }],
    ["Bun on PATH before the project's Deno", ["/opt/bin/bun", "/home/a/chat/node_modules/.bin/deno"], {
      ...BUN,
      program: "/opt/bin/bun",
    }],
    ["Deno when there is no Bun", ["/opt/bin/deno", "/usr/bin/node"], { ...DENO, program: "/opt/bin/deno" }],
    ["nothing when there is neither", ["/usr/bin/node"], undefined],
  ] as const,
)("a command started by Node finds %s", (_, files, found) => {
  expect(findRuntime(PLACES, (path) => (files as readonly string[]).includes(path))).toEqual(found);
});

test("on Windows a command started by Node looks for programs that end in .exe", () => {
  const found = findRuntime({ ...PLACES, suffix: ".exe" }, (path) => path === "/opt/bin/bun.exe");
  expect(found).toEqual({ ...BUN, program: "/opt/bin/bun.exe" });
});
