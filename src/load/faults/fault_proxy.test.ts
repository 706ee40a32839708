import { describe, expect, test } from "bun:test";
import net from "node:net";
import { wait } from "../pool.ts";
import { FaultProxy } from "./fault_proxy.ts";

/** Echoes, and tells how much it was sent. */
async function echo() {
  const sockets = new Set<net.Socket>();
  const state = { bytes: 0 };
  const server = net.createServer((socket) => {
    sockets.add(socket);
    socket.on("error", () => {});
    socket.on("data", (bytes: Uint8Array) => {
      state.bytes += bytes.length;
      socket.write(bytes);
    });
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  return {
    port: (server.address() as net.AddressInfo).port,
    state,
    async [Symbol.asyncDispose]() {
      for (const socket of sockets) socket.destroy();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}

class Client {
  readonly socket: net.Socket;
  got = "";
  closed = false;

  constructor(port: number) {
    this.socket = net.connect(port, "127.0.0.1");
    this.socket.on("data", (bytes: Uint8Array) => this.got += new TextDecoder().decode(bytes));
    this.socket.on("error", () => {});
    this.socket.on("close", () => this.closed = true);
  }

  async until(done: () => boolean): Promise<void> {
    for (let i = 0; i < 1_000 && !done(); i++) await wait(10);
    expect(done()).toBe(true);
  }

  async says(text: string): Promise<void> {
    const wanted = this.got + text;
    this.socket.write(text);
    await this.until(() => this.got === wanted);
  }
}

async function stand() {
  await using stack = new AsyncDisposableStack();
  const server = stack.use(await echo());
  const proxy = stack.use(await FaultProxy.start({ host: "127.0.0.1", port: server.port }));
  const clients = [new Client(proxy.port), new Client(proxy.port)];
  stack.defer(() => clients.forEach(({ socket }) => socket.destroy()));
  for (const client of clients) await client.says("hello");
  const running = stack.move();
  return { server, proxy, clients, [Symbol.asyncDispose]: () => running.disposeAsync() };
}

describe("a proxy in a link", () => {
  test("abrupt: all connections end, new ones are made", async () => {
    await using all = await stand();
    const { proxy, clients } = all;
    await proxy.cut("abrupt", 0);
    for (const client of clients) await client.until(() => client.closed);
    const next = new Client(proxy.port);
    await next.says("again");
    next.socket.destroy();
  }, 30_000);

  test("stall: nothing passes, on new connections neither; then everything does", async () => {
    await using all = await stand();
    const { proxy, clients, server } = all;
    const before = server.state.bytes;
    const over = proxy.cut("stall", 500);
    clients[0]!.socket.write("waits");
    const late = new Client(proxy.port);
    late.socket.write("late");
    await wait(200);
    expect([server.state.bytes - before, clients[0]!.got, late.got]).toEqual([0, "hello", ""]);
    await over;
    await clients[0]!.until(() => clients[0]!.got === "hellowaits");
    await late.until(() => late.got === "late");
    late.socket.destroy();
  }, 30_000);

  test("black hole: nothing passes, then all is reset", async () => {
    await using all = await stand();
    const { proxy, clients, server } = all;
    const before = server.state.bytes;
    const over = proxy.cut("black hole", 300);
    clients[0]!.socket.write("gone");
    await over;
    for (const client of clients) await client.until(() => client.closed);
    expect(server.state.bytes).toBe(before);
  }, 30_000);

  test("half a frame: the half of what comes next passes; a silent connection ends a second later", async () => {
    await using all = await stand();
    const { proxy, clients, server } = all;
    const before = server.state.bytes;
    const over = proxy.cut("half a frame", 0);
    clients[0]!.socket.write("12345678");
    await over;
    for (const client of clients) await client.until(() => client.closed);
    expect(server.state.bytes - before).toBe(4);
  }, 30_000);
});
