import { describe, expect, test } from "bun:test";
import { ImError } from "../base/errors.ts";
import { FakeClock } from "../base/fake_clock.ts";
import { CLOSE } from "../protocol/close_reason.ts";
import { SIGN_IN } from "./commands.ts";
import { fakeClient, FakeServer, settle } from "./fake_server.ts";

const fails = (promise: Promise<unknown>) => promise.then(() => undefined, (error: unknown) => error as ImError);

describe("login", () => {
  test("tells the states, the account, and resolves once", async () => {
    const server = new FakeServer();
    const { client, states } = fakeClient(server, new FakeClock());
    expect(client.state).toBe("offline");
    const both = [client.login(), client.login()];
    await Promise.all(both);
    await client.login();
    expect(states.map(({ state }) => state)).toEqual(["connecting", "online"]);
    expect(client.account).toBe("bob");
    expect(server.dialled).toEqual(["ws://one"]);
  });

  test("goes on trying while nobody can be reached, with a growing back-off", async () => {
    const server = new FakeServer();
    const clock = new FakeClock();
    server.down.add("ws://one");
    const { client, states } = fakeClient(server, clock);
    const login = client.login();
    await settle();
    for (let i = 0; i < 9; i++) {
      clock.advance(15_000);
      await settle();
    }
    const waits = states.map(({ retryInMs }) => retryInMs).filter((ms) => ms !== undefined);
    expect(waits.slice(0, 8)).toEqual([250, 500, 1_000, 2_000, 4_000, 8_000, 15_000, 15_000]);
    server.down.clear();
    clock.advance(15_000);
    await login;
    expect(client.state).toBe("online");
  });

  test("a refused token ends it: UNAUTHORIZED, and no second attempt", async () => {
    const server = new FakeServer();
    const clock = new FakeClock();
    server.answer = ({ header }) => header.command === SIGN_IN ? 105 : undefined;
    const { client, closed } = fakeClient(server, clock);
    expect((await fails(client.login()))?.code).toBe("UNAUTHORIZED");
    expect(closed).toMatchObject([{ why: CLOSE.UNAUTHORIZED, error: { code: "UNAUTHORIZED" } }]);
    clock.advance(120_000);
    await settle();
    expect(server.dialled).toHaveLength(1);
  });

  test.each([
    ["expired", { exp: 1_600_000_000 }, "; it expired at 2020-09-13T12:26:40.000Z"],
    ["still valid", { exp: 9_999_999_999 }, ""],
    ["without an end", {}, ""],
    ["with an end that is no time", { exp: -1e300 }, ""],
  ])("a token that is refused and is %s by its own word", async (_, claims, more) => {
    const server = new FakeServer();
    const clock = new FakeClock();
    clock.advance(1_700_000_000_000 - clock.now());
    server.answer = ({ header }) => header.command === SIGN_IN ? 105 : undefined;
    const { client } = fakeClient(server, clock, { token: `e30.${btoa(JSON.stringify(claims))}.c2ln` });
    expect((await fails(client.login()))?.message).toBe(`Cannot log in: the token was refused${more}`);
  });

  test.each([[101, "INVALID_BODY"], [103, "INVALID_COMMAND"], [106, "QUOTA"]])(
    "status %d at login ends it as %s",
    async (status, code) => {
      const server = new FakeServer();
      server.answer = () => status;
      const { client } = fakeClient(server, new FakeClock());
      expect((await fails(client.login()))?.code).toBe(code as ImError["code"]);
      expect(client.state).toBe("closed");
    },
  );

  test.each([[300], [302], [404], [399]])("status %d at login is tried again", async (status) => {
    const server = new FakeServer();
    const clock = new FakeClock();
    let once = true;
    server.answer = () => once ? (once = false, status) : undefined;
    const { client } = fakeClient(server, clock);
    const login = client.login();
    await settle();
    expect(client.state).toBe("offline");
    clock.advance(250);
    await login;
    expect(server.channels).toHaveLength(2);
  });

  test("an attempt that takes 8 s is given up, at whatever point it is stuck", async () => {
    const server = new FakeServer();
    const clock = new FakeClock();
    server.answer = () => "silence";
    const { client, states } = fakeClient(server, clock);
    void client.login();
    await settle();
    clock.advance(8_000);
    expect(client.state).toBe("offline");
    expect(states.at(-1)?.why?.reason).toBe("no answer");
    const stuck = fakeClient(server, clock, { connect: () => ({ send() {}, close() {} }) });
    void stuck.client.login();
    await settle();
    clock.advance(8_000);
    expect(stuck.client.state).toBe("offline");
  });

  test("an address the transport cannot take is one that cannot be reached", async () => {
    const clock = new FakeClock();
    const { client } = fakeClient(new FakeServer(), clock, {
      connect: () => {
        throw new Error("no such scheme");
      },
    });
    void client.login();
    await settle();
    clock.advance(0);
    expect(client.state).toBe("offline");
  });

  test("closing while it tries rejects it", async () => {
    const server = new FakeServer();
    server.down.add("ws://one");
    const { client } = fakeClient(server, new FakeClock());
    const login = fails(client.login());
    await settle();
    await client.close();
    expect((await login)?.code).toBe("CLOSED");
    expect((await fails(client.login()))?.code).toBe("CLOSED");
  });

  test("options that cannot work are refused at once", () => {
    const server = new FakeServer();
    const make = (options: Parameters<typeof fakeClient>[2]) => () => fakeClient(server, new FakeClock(), options);
    expect(make({ url: [] })).toThrow(ImError);
    expect(make({ url: "not a url" })).toThrow(ImError);
    expect(make({ device: "a b" })).toThrow(ImError);
    expect(make({ device: "" })).toThrow(ImError);
  });
});
