import { describe, expect, test } from "bun:test";
import { FakeClock } from "../base/fake_clock.ts";
import { CLOSE } from "../protocol/close_reason.ts";
import { Addresses, type Urls } from "./addresses.ts";
import { fakeClient, FakeServer, settle } from "./fake_server.ts";

const ONE = "ws://one";
const TWO = "ws://two";

/** The address of each attempt; after each it fails. */
async function attempts(addresses: Addresses, count: number): Promise<string[]> {
  const tried: string[] = [];
  for (let i = 0; i < count; i++) {
    tried.push(await addresses.get().catch(() => "none"));
    addresses.failed();
  }
  return tried;
}

describe("addresses", () => {
  test("of a list come in their order, round and round; one that works is kept", async () => {
    const addresses = new Addresses([ONE, TWO]);
    expect(await attempts(addresses, 3)).toEqual([ONE, TWO, ONE]);
    expect([await addresses.get(), await addresses.get(), addresses.current]).toEqual([TWO, TWO, TWO]);
    expect(await attempts(new Addresses(ONE), 2)).toEqual([ONE, ONE]);
  });

  test("of a function are asked for when all it gave have failed", async () => {
    const answers: Urls[] = [[ONE, TWO], "ws://three", [ONE]];
    let asked = 0;
    const addresses = new Addresses(() => (asked++, Promise.resolve(answers.shift()!)));
    expect(addresses.current).toBe("");
    expect(await attempts(addresses, 4)).toEqual([ONE, TWO, "ws://three", ONE]);
    expect(asked).toBe(3);
  });

  test("a function that fails, or gives none that can be used: the old ones serve, if there are any", async () => {
    const answers: (() => Urls)[] = [
      fails,
      () => [],
      () => "no url",
      () => [ONE, TWO],
      fails,
      fails,
      () => "ws://three",
    ];
    const addresses = new Addresses(() => answers.shift()!());
    expect(await attempts(addresses, 4)).toEqual(["none", "none", "none", ONE]);
    expect(await attempts(addresses, 6)).toEqual([TWO, ONE, TWO, ONE, TWO, "ws://three"]);
  });
});

function fails(): never {
  throw new Error("the router is away");
}

describe("a client whose addresses come from a function", () => {
  test("asks again, later and later, until it is told one; then it connects", async () => {
    const server = new FakeServer();
    const clock = new FakeClock();
    let away = 3;
    const url = () => away-- > 0 ? Promise.reject(new Error("the router is away")) : Promise.resolve([ONE]);
    const { client, states } = fakeClient(server, clock, { url });
    const login = client.login();
    for (let i = 0; i < 3; i++) {
      await settle();
      clock.advance(states.at(-1)!.retryInMs!);
    }
    await login;
    const offline = states.filter(({ state }) => state === "offline");
    expect(offline.map(({ why, retryInMs }) => [why?.reason, retryInMs])).toEqual([
      ["no address", 250],
      ["no address", 500],
      ["no address", 1_000],
    ]);
    expect(server.dialled).toEqual([ONE]);
    await client.close();
  });

  test("one that never answers is asked again after 20 s and a wait; so is a token", async () => {
    const server = new FakeServer();
    const clock = new FakeClock();
    let urls = 0;
    let tokens = 0;
    const { client, states } = fakeClient(server, clock, {
      url: () => urls++ === 0 ? new Promise<string>(() => {}) : ONE,
      token: () => tokens++ === 0 ? new Promise<string>(() => {}) : "bob",
    });
    const login = client.login();
    for (let i = 0; i < 2; i++) {
      await settle();
      clock.advance(20_000);
      clock.advance(states.at(-1)!.retryInMs!);
    }
    await login;
    const whys = states.filter(({ state }) => state === "offline").map(({ why }) => why?.reason);
    expect(whys).toEqual(["no address", "no token"]);
    expect([urls, tokens]).toEqual([2, 2]); // a token that did not come is not the address's fault
    await client.close();
  });

  test("goes to another gateway when its own shuts down", async () => {
    const server = new FakeServer();
    const clock = new FakeClock();
    const gateways = [ONE, TWO];
    const { client } = fakeClient(server, clock, { url: () => gateways.shift() ?? TWO });
    await client.login();
    server.channels[0]!.close(CLOSE.SHUTDOWN);
    await settle();
    clock.advance(500);
    await settle();
    expect(server.dialled).toEqual([ONE, TWO]);
    expect(client.state).toBe("online");
    await client.close();
  });
});
