import { expect, test } from "bun:test";
import { byId, type Instance, type Naming, type Registration } from "../../src/naming/naming.ts";
import { until } from "../browser/until.ts";

/** A naming service that nobody else uses, as two processes see it (in memory: one object). */
export interface NamingStand extends AsyncDisposable {
  readonly one: Naming;
  readonly other: Naming;
  /** A server that this naming service takes for a living one (Consul asks its health URL). */
  instance(more: Partial<Instance>): Instance;
}

/** A chat server. Unless told otherwise each id has its own address. */
export function testInstance(more: Partial<Instance> = {}): Instance {
  const id = more.id ?? "chat01";
  const port = 1_000 + [...id].reduce((sum, letter) => (sum * 31 + letter.charCodeAt(0)) % 60_000, 7);
  return {
    service: "chat",
    id,
    incarnation: `run-of-${id}`,
    protocol: "tcp",
    host: "127.0.0.1",
    port,
    tags: [],
    zone: "",
    domain: "",
    healthUrl: "",
    ...more,
  };
}

interface NamingOptions {
  /** A reason: the tests are not run. */
  readonly skip?: string | undefined;
  /** Per test, in ms. */
  readonly timeoutMs?: number;
}

/** What every Naming promises, whatever it is made of. Changes may take 3 s to be seen; the tests wait far longer. */
export function namingContract(name: string, open: () => Promise<NamingStand>, options: NamingOptions = {}): void {
  const { skip, timeoutMs = 60_000 } = options;
  const title = (text: string) => `Naming/${name}: ${text}${skip ? ` (skipped: ${skip})` : ""}`;
  const run = (text: string, body: (stand: NamingStand) => Promise<void>) => {
    test.skipIf(skip !== undefined)(title(text), async () => {
      await using stand = await open();
      await body(stand);
    }, timeoutMs);
  };
  const ids = (list: readonly Instance[]): string[] => list.map(({ id }) => id);
  /** Waits until a service has exactly these. */
  const found = (naming: Naming, service: string, wanted: readonly string[], tags?: readonly string[]) =>
    until(
      `${service} is ${wanted.join(", ") || "empty"}`,
      async () => ids(await naming.find(service, tags)),
      (got) => `${got}` === `${wanted}`,
    );
  /** Waits until it is told who has its name: the server at port 8005. */
  const refused = (registration: Registration) =>
    until("refused", () => registration.problem, (text) => text?.includes("127.0.0.1:8005") === true);
  /** Subscribes, and remembers what was told last and how often. */
  const watch = (naming: Naming, service: string) => {
    const seen: { last: readonly Instance[] | undefined; times: number; stop(): void } = {
      last: undefined,
      times: 0,
      stop: () => subscription.stop(),
    };
    const subscription = naming.subscribe(service, (list) => {
      seen.last = list;
      seen.times++;
    });
    return seen;
  };
  const told = (seen: { last: readonly Instance[] | undefined }, wanted: readonly string[]) =>
    until(
      `told of ${wanted.join(", ") || "nobody"}`,
      () => seen.last && ids(seen.last),
      (got) => got !== undefined && `${got}` === `${wanted}`,
    );

  run("who registers is found by others as it is", async ({ one, other, instance }) => {
    const full = instance({
      service: "wgateway",
      id: "gate01",
      protocol: "ws",
      tags: ["IDC:SH_ALI", "blue"],
      zone: "z1",
      domain: "wss://chat.example.test/gate",
    });
    await using registration = one.register(full);
    await found(other, "wgateway", ["gate01"]);
    expect(await other.find("wgateway")).toEqual([full]);
    await until("no problem", () => registration.problem, (problem) => problem === undefined);
  });

  run("nobody is found where nobody is", async ({ one }) => {
    expect(await one.find("chat")).toEqual([]);
    expect(await one.find("chat", ["IDC:SH_ALI"])).toEqual([]);
  });

  run("a disposed registration is found no more; disposing again is harmless", async ({ one, other, instance }) => {
    const registration = one.register(instance({ id: "chat01" }));
    await using _stays = one.register(instance({ id: "chat02" }));
    await found(other, "chat", ["chat01", "chat02"]);
    await registration[Symbol.asyncDispose]();
    await found(other, "chat", ["chat02"]);
    await registration[Symbol.asyncDispose]();
    await found(one, "chat", ["chat02"]);
  });

  run("all tags must match", async ({ one, other, instance }) => {
    await using _a = one.register(instance({ id: "a", tags: ["IDC:SH_ALI", "blue"] }));
    await using _b = one.register(instance({ id: "b", tags: ["IDC:SH_ALI"] }));
    await using _c = one.register(instance({ id: "c", tags: ["blue", "IDC:HZ"] }));
    await found(other, "chat", ["a", "b", "c"]);
    await found(other, "chat", ["a", "b"], ["IDC:SH_ALI"]);
    await found(other, "chat", ["a"], ["IDC:SH_ALI", "blue"]);
    await found(other, "chat", ["a", "c"], ["blue"]);
    await found(other, "chat", [], ["IDC:SH"]);
    await found(other, "chat", ["a", "b", "c"], []);
  });

  run("servers come sorted by id, as texts", async ({ one, other, instance }) => {
    const names = ["chat9", "chat10", "Chat1", "chat-1", "chat_1", "chat1"];
    const all = names.map((id) => one.register(instance({ id })));
    const sorted = ids(byId(names.map((id) => instance({ id }))));
    await found(other, "chat", sorted);
    const seen = watch(other, "chat");
    await told(seen, sorted);
    seen.stop();
    for (const registration of all) await registration[Symbol.asyncDispose]();
  });

  run("another run of an id is refused while the first lives, and told who has it", async (stand) => {
    const { one, other, instance } = stand;
    await using _first = one.register(instance({ incarnation: "first", port: 8_005 }));
    await found(one, "chat", ["chat01"]);
    await using second = other.register(instance({ incarnation: "second", port: 8_006 }));
    expect(await refused(second)).toContain("chat01");
    await until(
      "the first is still the one that is found",
      async () => (await other.find("chat")).map(({ incarnation }) => incarnation),
      (runs) => `${runs}` === "first",
    );
  });

  run("an id is taken over once its holder has left, without a new call", async ({ one, other, instance }) => {
    const first = one.register(instance({ incarnation: "first", port: 8_005 }));
    await found(one, "chat", ["chat01"]);
    await using second = other.register(instance({ incarnation: "second", port: 8_006 }));
    await refused(second);
    await first[Symbol.asyncDispose]();
    await until("taken over", () => second.problem, (text) => text === undefined);
    await until(
      "the second is found",
      async () => (await one.find("chat")).map(({ incarnation, port }) => `${incarnation} ${port}`),
      (runs) => `${runs}` === "second 8006",
    );
    await first[Symbol.asyncDispose]();
    expect((await other.find("chat")).length).toBe(1);
  });

  run("who was refused and gave up never appears", async ({ one, other, instance }) => {
    const first = one.register(instance({ incarnation: "first", port: 8_005 }));
    await found(one, "chat", ["chat01"]);
    const second = other.register(instance({ incarnation: "second", port: 8_006 }));
    await refused(second);
    await second[Symbol.asyncDispose]();
    expect((await other.find("chat")).map(({ incarnation }) => incarnation)).toEqual(["first"]);
    await first[Symbol.asyncDispose]();
    await found(other, "chat", []);
  });

  run("a subscriber is told what is there, and every change", async ({ one, other, instance }) => {
    await using _a = one.register(instance({ id: "a" }));
    await found(other, "chat", ["a"]);
    const seen = watch(other, "chat");
    await told(seen, ["a"]);
    const b = one.register(instance({ id: "b" }));
    await told(seen, ["a", "b"]);
    await b[Symbol.asyncDispose]();
    await told(seen, ["a"]);
    seen.stop();
  });

  run("a subscriber is told that nobody is there", async ({ one, instance }) => {
    const seen = watch(one, "chat");
    await told(seen, []);
    await using _a = one.register(instance({ id: "a" }));
    await told(seen, ["a"]);
    seen.stop();
  });

  run("a subscriber is told of another address and another run", async ({ one, other, instance }) => {
    const seen = watch(other, "chat");
    const first = one.register(instance({ incarnation: "first", port: 8_005 }));
    await told(seen, ["chat01"]);
    await first[Symbol.asyncDispose]();
    await using _second = one.register(instance({ incarnation: "second", port: 8_006 }));
    await until(
      "told of the second",
      () => seen.last?.map(({ incarnation, port }) => `${incarnation} ${port}`),
      (runs) => `${runs}` === "second 8006",
    );
    seen.stop();
  });

  run("what did not change is not told again", async ({ one, other, instance }) => {
    await using _a = one.register(instance({ id: "a" }));
    const seen = watch(other, "chat");
    await told(seen, ["a"]);
    const times = seen.times;
    // A change somewhere else makes naming services wake up.
    await using _r = one.register(instance({ service: "royal", id: "r" }));
    await found(other, "royal", ["r"]);
    await new Promise((resolve) => setTimeout(resolve, 200));
    expect(seen.times).toBe(times);
    seen.stop();
  });

  run("who stopped hears nothing more; stopping twice is harmless", async ({ one, other, instance }) => {
    const seen = watch(other, "chat"), stays = watch(other, "chat");
    await told(seen, []);
    seen.stop();
    seen.stop();
    const { times } = seen;
    await using _a = one.register(instance({ id: "a" }));
    await told(stays, ["a"]);
    stays.stop();
    expect(seen.times).toBe(times);
    expect(seen.last).toEqual([]);
  });

  run("who stops while it is told hears nothing more", async ({ one, other, instance }) => {
    let times = 0;
    const stays = watch(other, "chat");
    const subscription = other.subscribe("chat", () => {
      times++;
      subscription.stop();
    });
    await until("told once", () => times, (count) => count === 1);
    await using _a = one.register(instance({ id: "a" }));
    await told(stays, ["a"]);
    stays.stop();
    expect(times).toBe(1);
  });

  run("one function may subscribe twice, and stops one by one", async ({ one, instance }) => {
    let times = 0;
    const count = () => void times++;
    const first = one.subscribe("chat", count), second = one.subscribe("chat", count);
    await until("both told", () => times, (value) => value === 2);
    first.stop();
    await using _a = one.register(instance({ id: "a" }));
    await until("one told", () => times, (value) => value === 3);
    second.stop();
  });

  run("a subscriber that throws hurts nobody, and is told again", async ({ one, other, instance }) => {
    let thrown = 0;
    const bad = other.subscribe("chat", () => {
      thrown++;
      throw new Error("A subscriber of the tests throws");
    });
    const good = watch(other, "chat");
    await told(good, []);
    await using _a = one.register(instance({ id: "a" }));
    await told(good, ["a"]);
    await until("told again", () => thrown, (count) => count >= 2);
    bad.stop();
    good.stop();
  });

  run("the same id in two services is two servers", async ({ one, other, instance }) => {
    const chat = one.register(instance({ service: "chat", id: "s1", incarnation: "x", port: 8_005 }));
    await using gate = other.register(instance({ service: "wgateway", id: "s1", incarnation: "y", port: 8_006 }));
    const seen = watch(one, "wgateway");
    await told(seen, ["s1"]);
    await found(other, "chat", ["s1"]);
    expect((await other.find("chat"))[0]?.port).toBe(8_005);
    await chat[Symbol.asyncDispose]();
    await found(other, "chat", []);
    await found(one, "wgateway", ["s1"]);
    await until("no problem", () => gate.problem, (problem) => problem === undefined);
    expect(seen.last?.length).toBe(1);
    seen.stop();
  });

  run("a hundred servers that come and go at once are all found, then none", async ({ one, other, instance }) => {
    const seen = watch(other, "chat");
    const names = Array.from({ length: 100 }, (_, i) => `chat${String(i).padStart(3, "0")}`);
    const all = names.map((id, i) => (i % 2 ? one : other).register(instance({ id, port: 9_000 + i })));
    await told(seen, names);
    await found(one, "chat", names);
    await until("no problems", () => all.filter(({ problem }) => problem).length, (count) => count === 0);
    await Promise.all(all.map((registration) => registration[Symbol.asyncDispose]()));
    await told(seen, []);
    await found(one, "chat", []);
    seen.stop();
  });
}
