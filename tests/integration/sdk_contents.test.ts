import { expect, test } from "bun:test";
import { readFileSync } from "node:fs";
import * as runtime from "#runtime";
import { connectWith } from "../../src/cli/connect.ts";
import { ImError } from "../../src/base/errors.ts";
import { PetrelClient } from "../../src/sdk/client.ts";
import type { Message } from "../../src/sdk/message.ts";
import { msgpack } from "../../src/sdk/msgpack.ts";
import type { ClientOptions } from "../../src/sdk/options.ts";
import { MemoryStorage } from "../../src/sdk/storage.ts";
import { LocalSystem, TRANSPORTS } from "./system_local.ts";

const CONTENTS = ["protobuf", "json", msgpack] as const;

class Person implements AsyncDisposable {
  readonly client: PetrelClient;
  readonly received: Message[] = [];
  #look = () => {};

  constructor(options: ClientOptions) {
    this.client = new PetrelClient({ connect: connectWith(runtime.dial), ...options });
    this.client.onMessage((message) => {
      this.received.push(message);
      this.#look();
    });
  }
  get bodies(): string[] {
    return this.received.map(({ body }) => body);
  }
  has(count: number): Promise<void> {
    return new Promise((resolve) => (this.#look = () => this.received.length >= count && resolve())());
  }
  [Symbol.asyncDispose](): Promise<void> {
    return this.client.close();
  }
}

test.each(TRANSPORTS)("SDKs of all three contents talk, catch up and are refused alike, on %s", async (on) => {
  await using local = await LocalSystem.start();
  const options = (account: string, content: ClientOptions["content"]) => ({
    url: local[on],
    token: local.token(account),
    storage: new MemoryStorage(),
    content,
  });
  for (const content of CONTENTS) {
    const name = typeof content === "object" ? content.content : content;
    const [ann, bob] = [local.name(`ann-${name}`), local.name("bob")];
    await using one = new Person(options(bob, "protobuf"));
    const storage = new MemoryStorage();
    {
      await using two = new Person({ ...options(ann, content), storage });
      await Promise.all([one.client.login(), two.client.login()]);
      const sent = await two.client.talk(bob, "there 你好", { extra: "{}" }).done;
      await one.client.talk(ann, "back").done;
      await Promise.all([one.has(1), two.has(1)]);
      expect(one.received[0]).toMatchObject({
        messageId: sent.messageId,
        body: "there 你好",
        extra: "{}",
        sender: ann,
      });
      expect(two.bodies).toEqual(["back"]);
    }
    for (const body of ["missed 1", "missed 2"]) await one.client.talk(ann, body).done;
    await using again = new Person({ ...options(ann, content), storage });
    await again.client.login();
    await again.has(2);
    expect(again.bodies).toEqual(["missed 1", "missed 2"]); // as pushes behind the place it kept
    await using anew = new Person({ ...options(ann, content), device: "new" });
    await anew.client.login();
    await anew.has(4); // by pages: it has no place
    expect(anew.bodies).toEqual(["there 你好", "back", "missed 1", "missed 2"]);
    await using refused = new Person({ ...options(ann, content), token: "no token" });
    expect(await refused.client.login().catch((thrown: unknown) => ImError.from(thrown).code)).toBe("UNAUTHORIZED");
  }
}, 20_000);

test("a content that is neither a name nor a codec is refused when the client is made", () => {
  const content = "xml" as "json";
  expect(() => new PetrelClient({ url: "ws://a", token: "", content })).toThrow("content is xml, expected protobuf");
});

test("the SDK without petrel/msgpack does not reach the MessagePack code", () => {
  const reached = (from: URL, seen = new Set<string>()): Set<string> => {
    if (seen.has(from.pathname)) return seen;
    seen.add(from.pathname);
    for (const [, path] of readFileSync(from, "utf8").matchAll(/^(?:import|export) (?!type)[^;]*?from "(\.[^"]+)"/gm)) {
      reached(new URL(path!, from), seen);
    }
    return seen;
  };
  const has = (door: string) =>
    [...reached(new URL(`../../src/sdk/${door}`, import.meta.url))].some((path) =>
      path.endsWith("protocol/msgpack.ts")
    );
  expect([has("mod.ts"), has("msgpack.ts")]).toEqual([false, true]);
});
