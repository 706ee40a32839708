import { expect, test } from "bun:test";
import process from "node:process";
import { Child } from "./child.ts";

test.skipIf("Deno" in globalThis)("a process that cannot be started has ended, and says why", async () => {
  const { execPath } = process; // another one cannot be said on Deno
  process.execPath = "/no/such/runtime";
  try {
    const said: string[] = [];
    const run = { args: [], env: {}, readyUrl: "http://127.0.0.1:9/ready", urls: {} };
    const child = new Child(run, "one-1", (text) => void said.push(text));
    expect(await child.ended).toEqual({ code: 127, signal: null });
    expect(said.join()).toContain("ENOENT");
    expect(child.lastWords().join()).toContain("ENOENT");
  } finally {
    process.execPath = execPath;
  }
});
