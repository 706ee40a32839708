import { afterEach, beforeEach, describe, expect, test } from "bun:test";
import { IDBFactory } from "fake-indexeddb";
import { FakeClock } from "../base/fake_clock.ts";
import { defaultStorage } from "./default_storage.ts";
import { fakeClient, FakeServer, settle } from "./fake_server.ts";
import { IndexedDbStorage } from "./indexed_db_storage.ts";
import { MemoryStorage } from "./storage.ts";

/** A token as a server gives it; nobody checks the signature here. */
function tokenOf(claims: object): string {
  const text = String.fromCharCode(...new TextEncoder().encode(JSON.stringify(claims)));
  return `e30.${btoa(text).replaceAll("+", "-").replaceAll("/", "_").replaceAll("=", "")}.c2ln`;
}

const ANN = tokenOf({ app: "kim", acc: "ann", exp: 1 });
interface Listed {
  databases(): Promise<{ readonly name: string }[]>;
}
const page = globalThis as { indexedDB?: Listed };

describe("a client that was given no storage", () => {
  test("keeps in memory where there is no IndexedDB", () => {
    expect(defaultStorage({ url: "ws://one", token: ANN }, ANN)).toBeInstanceOf(MemoryStorage);
  });

  describe("in a browser", () => {
    beforeEach(() => void (page.indexedDB = new IDBFactory()));
    afterEach(() => void delete page.indexedDB);

    const databases = async () => (await page.indexedDB!.databases()).map(({ name }) => name).sort();

    test.each([[""], ["ann"], ["a.b.c"], ["e30.e30.x"], [tokenOf({ app: "kim", acc: 7 })]])(
      "whose token %p names nobody keeps in memory",
      (token) => {
        expect(defaultStorage({ url: "ws://one", token }, token)).toBeInstanceOf(MemoryStorage);
      },
    );

    test("has a database per server, app, account and device", async () => {
      const cases: [string | (() => string), string | undefined, string][] = [
        ["wss://one:81/ws?x", undefined, ANN],
        ["wss://two", "web-1", ANN],
        ["wss://two", "web-1", tokenOf({ app: "kim", acc: "安妮-ÿþ?>" })],
        [() => "wss://two", "web-1", tokenOf({ app: "other", acc: "ann" })],
      ];
      for (const [url, device, token] of cases) {
        const storage = defaultStorage({ url, device, token }, token);
        expect(storage).toBeInstanceOf(IndexedDbStorage);
        await storage.load();
      }
      expect(await databases()).toEqual([
        "petrel//other/ann/web-1",
        "petrel/one:81/kim/ann/",
        "petrel/two/kim/ann/web-1",
        "petrel/two/kim/安妮-ÿþ?>/web-1",
      ]);
    });

    test("keeps what was said before the first token came, and asks for that token once", async () => {
      const server = new FakeServer();
      server.down.add("ws://one");
      let asked = 0;
      const token = () => (asked++, Promise.resolve(ANN));
      const later = async () => {
        for (let i = 0; i < 20; i++) await new Promise((resolve) => setTimeout(resolve, 1)).then(settle);
      };
      const first = fakeClient(server, new FakeClock(), { token });
      const said = first.client.talk("eve", "hi");
      void first.client.login().catch(() => {});
      await later();
      expect([asked, first.client.state]).toEqual([1, "offline"]);
      await first.client.close();
      const second = fakeClient(server, new FakeClock(), { token, random: () => 0.1 });
      void second.client.login().catch(() => {});
      await later();
      expect(second.client.waiting.map(({ id, state }) => `${id} ${state}`)).toEqual([`${said.id} sending`]);
      await second.client.close();
    });
  });
});
