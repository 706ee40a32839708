import { describe, expect, test } from "bun:test";
import { ImError } from "../base/errors.ts";
import { FakeClock } from "../base/fake_clock.ts";
import { fakeClient, FakeServer, settle } from "./fake_server.ts";

const fails = (promise: Promise<unknown>) => promise.then(() => undefined, (error: unknown) => error as ImError);

describe("listeners", () => {
  test("one that throws disturbs nobody, one that was taken away is not called", async () => {
    const server = new FakeServer();
    const { client } = fakeClient(server, new FakeClock());
    const seen: string[] = [];
    client.on("state", () => {
      throw new Error("broken");
    });
    const end = client.on("state", ({ state }) => void seen.push(state));
    client.on("state", ({ state }) => state === "online" && end());
    await client.login();
    await client.close();
    expect(seen).toEqual(["connecting", "online"]);
  });

  test("closing from any listener or handler is safe", async () => {
    for (const at of ["connecting", "online", "offline", "message", "sent"]) {
      const server = new FakeServer();
      const clock = new FakeClock();
      for (let i = 0; i < 500; i++) server.say("ann", "bob", String(i));
      const { client, closed } = fakeClient(server, clock);
      client.on("state", ({ state }) => state === at && void client.close());
      client.on("sent", () => at === "sent" && void client.close());
      client.onMessage(() => at === "message" ? void client.close() : undefined);
      client.talk("ann", "1");
      client.talk("ann", "2");
      void fails(client.login());
      await settle();
      server.channels.at(-1)?.cut();
      await settle();
      clock.advance(60_000);
      await settle();
      expect(closed).toHaveLength(1);
      expect(client.state).toBe("closed");
    }
  });
});
