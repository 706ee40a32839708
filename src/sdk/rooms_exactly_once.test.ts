import { expect, test } from "bun:test";
import fc from "fast-check";
import { anyDice, BadNetwork, type NetworkAct, networkActs, RUNS } from "./bad_network.fixture.ts";
import { settle } from "./fake_server.ts";
import { MemoryStorage, type SavedPosition } from "./storage.ts";

type Act =
  | NetworkAct
  | { readonly do: "say" | "talk"; readonly count: number; readonly group: number }
  | { readonly do: "grow" | "rows"; readonly group: number }
  | { readonly do: "pair" | "restart" };

const { troubles, pass } = networkActs("pair", "restart");
const group = fc.nat(1);
const acts: fc.Arbitrary<Act> = fc.oneof(
  {
    weight: 8,
    arbitrary: fc.record({ do: fc.constantFrom("say", "talk"), count: fc.integer({ min: 1, max: 70 }), group }),
  },
  { weight: 5, arbitrary: fc.record({ do: fc.constantFrom("grow", "rows"), group }) },
  { weight: 8, arbitrary: troubles },
  { weight: 6, arbitrary: pass },
);

test(
  "whatever is lost, and whenever a group becomes large, its messages are handed over once and in order",
  async () => {
    const script = fc.array(acts, { minLength: 5, maxLength: 50, size: "max" });
    await fc.assert(fc.asyncProperty(script, anyDice, fc.boolean(), fc.boolean(), run), RUNS);
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
  const network = new BadNetwork(dice);
  const { server } = network;
  const storage = forgetful ? new PlacesOnly() : new MemoryStorage();
  const handed = new Map<string, string[]>();
  const said = new Map<string, number>();
  const groups = ["one", "two"].map((name) => server.groups.make(name, ["ann", "bob"]));
  let talked = 0;
  const begin = () =>
    network.client(({ peer, body }) => {
      handed.set(peer, [...handed.get(peer) ?? [], body]);
      return slow ? Promise.resolve() : undefined;
    }, { storage, backlog: Infinity });
  const say = (dest: string) => {
    const number = (said.get(dest) ?? 0) + 1;
    said.set(dest, number);
    server.say("ann", dest, `in ${number}`);
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
      case "restart":
        await settle();
        await client.close();
        client = begin();
        break;
      default:
        network.act(act);
    }
    await network.step();
  }

  const lacks = () =>
    [...said].some(([dest, count]) => (handed.get(dest === "bob" ? "ann" : dest) ?? []).length < count);
  for (const one of server.online("bob")) one.cut(); // a tail that was lost on the way shows at the next login
  await network.end(() => client.waiting.length === 0 && !lacks());
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
