import { spawnSync } from "node:child_process";
import process from "node:process";
import { expect, test } from "bun:test";
import { OPCODE } from "../../src/protocol/frame.ts";
import { bytes, clientFrame, framesIn, pause, until } from "../contract/listen_support.ts";
import { NetRaw } from "../contract/wirings.ts";
import { tempDir } from "../support/temp.ts";
import { ROOT, RUNTIME, start } from "../support/processes.ts";

const FEW = 64;
const limited = spawnSync("sh", ["-c", `ulimit -n ${FEW} && ulimit -n`]).stdout?.toString().trim() === `${FEW}`;

// Skipped where `ulimit -n` cannot be set: there the limit cannot be reached.
test.skipIf(!limited).each(["tcp", "ws", "unix"] as const)(
  "%s: out of descriptors, those who are in are served, and when some leave others get in",
  async (kind) => {
    await using dir = await tempDir();
    const transport = kind === "ws" ? "ws" : "tcp", path = kind === "unix" ? dir.in("x.sock") : "";
    const run = RUNTIME === "deno" ? `deno run -A --no-check --config ${ROOT}deno.json` : process.execPath;
    const script = `ulimit -n ${FEW}; exec ${run} ${ROOT}tests/integration/descriptors.fixture.ts ${path}`;
    await using child = await start("sh", ["-c", script]);
    const [, tcp, http] = await child.find(/listening (\d+) (\d+)/);
    const url = kind === "unix" ? `tcp+unix:${path}` : `tcp://127.0.0.1:${kind === "tcp" ? tcp : http}`;
    const all: NetRaw[] = [];
    const ask = (raw: NetRaw) => raw.write(clientFrame(transport, OPCODE.BINARY, bytes("are you there?")));
    const served = (raw: NetRaw) => framesIn(transport, raw.received).length > 0;
    const join = async () => {
      const raw = await NetRaw.at(url);
      all.push(raw);
      if (transport === "ws") {
        const head = await Promise.race([raw.handshake(), pause(1_000)]);
        if (!head?.includes("101")) return raw.destroy();
      }
      ask(raw);
    };
    try {
      await Promise.all(Array.from({ length: 80 }, join));
      await pause(300);
      const inside = all.filter(served);
      expect(inside.length).toBeGreaterThan(10);
      expect(inside.length).toBeLessThan(FEW);
      for (const raw of inside) {
        raw.forget(raw.receivedBytes);
        ask(raw);
      }
      await until(() => inside.every(served), "everybody inside is still served");
      for (const raw of all) if (!inside.includes(raw)) raw.destroy();
      for (const raw of inside.splice(0, 10)) raw.destroy();
      await pause(300);
      const before = all.length;
      for (let i = 0; i < 5; i++) await join();
      await until(() => all.slice(before).every(served), "the new ones are served");
    } finally {
      for (const raw of all) raw.destroy();
    }
  },
  30_000,
);
