import { spawn } from "node:child_process";
import { once } from "node:events";
import { expect, test } from "bun:test";
import { sendSignal } from "./send_signal.ts";

test("a child that does not heed SIGTERM is killed after it; one that has ended is left alone", async () => {
  const script = "trap '' TERM; echo ready; while :; do sleep 0.1; done";
  const child = spawn("sh", ["-c", script], { stdio: ["ignore", "pipe", "ignore"] });
  const ended = once(child, "close");
  await once(child.stdout, "data");
  sendSignal(child, "SIGTERM");
  await new Promise((resolve) => setTimeout(resolve, 300));
  sendSignal(child, "SIGKILL");
  const [code] = await ended;
  expect(code).toBe(null);
  sendSignal(child, "SIGKILL");
});
