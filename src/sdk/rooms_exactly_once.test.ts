import { expect, test } from "bun:test";
import fc from "fast-check";
import { FakeClock } from "../base/fake_clock.ts";
import { fakeClient, FakeServer, settle } from "./fake_server.ts";
import { MemoryStorage, type SavedPosition } from "./storage.ts";

/** What may happen between two steps of the network. */
type Act =
  | { readonly do: "say" | "talk"; readonly count: number; readonly group: number }
  | { readonly do: "grow" | "rows"; readonly group: number }
  | { readonly do: "pair" | "lose" | "double" | "delay" | "normal" | "cut" | "restart" | "busy" }
  | { readonly do: "pass"; readonly ms: number };

const group = fc.nat(1);
const acts: fc.Arbitrary<Act> = fc.oneof(
  {
    weight: 8,
    arbitrary: fc.record({ do: fc.constantFrom("say", "talk"), count: fc.integer({ min: 1, max: 70 }), group }),
  },
  { weight: 5, arbitrary: fc.record({ do: fc.constantFrom("grow", "rows"), group }) },
  {
    weight: 8,
    arbitrary: fc.record({
      do: fc.constantFrom("pair", "lose", "double", "delay", "normal", "cut", "restart", "busy"),
    }),
  },
  { weight: 6, arbitrary: fc.record({ do: fc.constant("pass"), ms: fc.integer({ min: 0, max: 3_000 }) }) },
);

test(
  "whatever is lost, and whenever a group becomes large, its messages are handed over once and in order",
  async () => {
    const script = fc.array(acts, { minLength: 5, maxLength: 50, size: "max" });
    const [dice, slow, forgetful] = [fc.infiniteStream(fc.nat(99)), fc.boolean(), fc.boolean()];
    await fc.assert(fc.asyncProperty(script, dice, slow, forgetful, run), { numRuns: 150 });
  },
  60_000,
);

/** @param forgetful the storage keeps places only, not the ids that were handed over */
async function run(
  script: readonly Act[],
  dice: Iterator<number>,
  slow: boolean,
  forgetful: boolean,
): Promise<void> {
  const server = new FakeServer();
  server.resume = 40;
  const clock = new FakeClock();
  const storage = forgetful ? new PlacesOnly() : new MemoryStorage();
  const chance = (percent: number) => dice.next().value < percent;
  const late: (() => void)[] = [];
  const handed = new Map<string, string[]>();
  const said = new Map<string, number>();
  const groups = ["one", "two"].map((name) => server.groups.make(name, ["ann", "bob"]));
  let talked = 0;
  let runs = 0;
  const begin = () => {
    // The first numbers make the client's ids, which have to differ from those of the runs before.
    const forIds = Array<number>(4).fill(++runs / 1_000);
    const random = () => forIds.pop() ?? dice.next().value / 100;
    const { client } = fakeClient(server, clock, { storage, random, waiting: 100_000, backlog: Infinity });
    client.onMessage(({ peer, body, own }) => {
      if (own && forgetful) return; // of an earlier run, which could have known it by its id only
      handed.set(peer, [...handed.get(peer) ?? [], body]);
      return slow ? Promise.resolve() : undefined;
    });
    void client.login().catch(() => {}); // closed before it was answered
    return client;
  };
  const say = (dest: string) => {
    const number = (said.get(dest) ?? 0) + 1;
    said.set(dest, number);
    server.say("ann", dest, `in ${number}`);
  };
  const normal = () => {
    server.push = (_pos, send) => send();
    server.answer = () => undefined;
  };
  server.say("eve", "bob", "before"); // the inbox has its name
  server.acked.set("bob", 1);
  let client = begin();
  await settle(); // a new device begins with what comes from here on

  for (const act of script) {
    switch (act.do) {
      case "say":
        for (let i = 0; i < act.count; i++) say(groups[act.group]!.id);
        break;
      case "talk":
        for (let i = 0; i < act.count; i++) client.talk(groups[act.group]!.id, `out ${++talked}`, { group: true });
        break;
      case "pair":
        say("bob");
        break;
      case "grow":
        groups[act.group]!.large = true;
        break;
      case "rows":
        if (groups[act.group]!.large) server.makeRows(groups[act.group]!, "bob");
        break;
      case "lose":
        server.push = (_pos, send) => chance(60) ? send() : undefined;
        break;
      case "double":
        server.push = (_pos, send) => (send(), chance(50) && send());
        break;
      case "delay":
        server.push = (_pos, send) => chance(50) ? void late.push(send) : send();
        break;
      case "busy":
        server.answer = (_packet, channel) => {
          if (chance(10)) channel.cut();
          return chance(70) ? undefined : chance(50) ? 302 : chance(50) ? 300 : "silence";
        };
        break;
      case "normal":
        normal();
        break;
      case "cut":
        for (const channel of server.online("bob")) channel.cut();
        break;
      case "restart":
        await settle();
        await client.close();
        client = begin();
        break;
      case "pass":
        clock.advance(act.ms);
        break;
    }
    while (late.length > 0 && chance(50)) late.splice(dice.next().value % late.length, 1)[0]!();
    await settle();
  }

  normal();
  for (const send of late) send();
  const lacks = () =>
    [...said].some(([dest, count]) => (handed.get(dest === "bob" ? "ann" : dest) ?? []).length < count);
  for (const one of server.online("bob")) one.cut(); // a tail that was lost on the way shows at the next login
  for (let i = 0; i < 400; i++) {
    clock.advance(1_000);
    await settle();
    if (client.waiting.length === 0 && !lacks()) break;
  }
  await client.close();
  for (const { id, messages } of groups) {
    expect(handed.get(id) ?? []).toEqual(Array.from({ length: said.get(id) ?? 0 }, (_, i) => `in ${i + 1}`));
    const out = messages.filter(({ sender }) => sender === "bob").map(({ body }) => Number(body.slice(4)));
    expect(out).toEqual([...out].sort((a, b) => a - b));
  }
  expect(handed.get("ann") ?? []).toEqual(Array.from({ length: said.get("bob") ?? 0 }, (_, i) => `in ${i + 1}`));
  expect(groups.flatMap(({ messages }) => messages.filter(({ sender }) => sender === "bob"))).toHaveLength(talked);
}

class PlacesOnly extends MemoryStorage {
  override savePosition(position: SavedPosition): Promise<void> {
    return super.savePosition({ ...position, seen: [] });
  }
}
