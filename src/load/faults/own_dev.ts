import { randomBytes } from "node:crypto";
import fs from "node:fs";
import os from "node:os";
import path from "node:path";
import { freePorts } from "../free_ports.ts";
import { ownCommand } from "../target.ts";
import { dayToken } from "../token.ts";
import { FaultProxy } from "./fault_proxy.ts";
import type { FaultSystem } from "./fault_system.ts";
import { httpReady, RoleProcess } from "./role_process.ts";

const APP = "kim";

/** `petrel dev` with its store in `petrel royal`, as two processes, and proxies before both. */
export async function startOwnDev(): Promise<FaultSystem> {
  const folder = fs.mkdtempSync(path.join(os.tmpdir(), "petrel-faults-"));
  const secret = randomBytes(32).toString("hex");
  const [http, tcp, royalPort] = await freePorts(3);
  await using stack = new AsyncDisposableStack();
  let passed = false;
  stack.defer(() => {
    if (passed) fs.rmSync(folder, { recursive: true, force: true });
  });
  const proxy = async (port: number) => stack.use(await FaultProxy.start({ host: "127.0.0.1", port }));
  const [ws, raw, store] = [await proxy(http!), await proxy(tcp!), await proxy(royalPort!)];
  const common = { PETREL_CLUSTER_SECRET: secret, PETREL_TOKEN_SECRET: secret, PETREL_LOG: "warn" };
  const start = async (name: string, command: string, port: number, env: Readonly<Record<string, string>>) => {
    const clockFile = path.join(folder, `${name}.clock`);
    const process = stack.use(
      new RoleProcess({
        name,
        role: name,
        command: ownCommand(command),
        env: { ...common, PETREL_DATA: path.join(folder, name), PETREL_FAULT: `clock=${clockFile}`, ...env },
        ready: httpReady(`http://127.0.0.1:${port}/ready`),
        clockFile,
        logFile: path.join(folder, `${name}.log`),
      }),
    );
    await process.start();
    return process;
  };
  const royal = await start("royal", "royal", royalPort!, { PETREL_ROYAL: `127.0.0.1:${royalPort}` });
  const server = await start("server", "dev", http!, {
    PETREL_HTTP: `127.0.0.1:${http}`,
    PETREL_TCP: `127.0.0.1:${tcp}`,
    PETREL_ROYAL_URL: `http://127.0.0.1:${store.port}`,
  });
  const targets = [royal, server];
  const running = stack.move();
  return {
    urls: [`ws://127.0.0.1:${ws.port}/`, `tcp://127.0.0.1:${raw.port}`],
    straightUrls: [`ws://127.0.0.1:${http}/`],
    app: APP,
    token: (account) => dayToken(secret, APP, account),
    targets,
    links: [{ kind: "client-server", proxies: [ws, raw] }, { kind: "server-royal", proxies: [store] }],
    folder,
    passed: () => void (passed = true),
    problems: () => targets.flatMap((one) => one.problems()),
    pids: () => targets.map((one) => [one.name, one.pid] as const),
    [Symbol.asyncDispose]: () => running.disposeAsync(),
  };
}
