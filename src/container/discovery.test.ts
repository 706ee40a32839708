import { expect, test } from "bun:test";
import { server, Stand } from "./discovery_stand.fixture.ts";

test("every server that is told gets one link", async () => {
  await using stand = new Stand();
  expect(stand.subscribed).toEqual(["chat"]);
  stand.told(server("a"), server("b"));
  stand.told(server("a"), server("b"), server("c"));
  expect(stand.links.map(({ instance }) => instance.id)).toEqual(["a", "b", "c"]);
});

test("servers of the first list are grown up, however late it comes; later ones are young for 10 s", async () => {
  await using stand = new Stand();
  stand.clock.advance(60_000);
  stand.told(server("a"));
  expect(stand.links[0]!.how.youngUntilMs).toBe(0);
  stand.clock.advance(5_000);
  stand.told(server("a"), server("b"));
  expect(stand.links[1]!.how.youngUntilMs).toBe(75_000);
});

test("a list that was empty at first makes the next one's servers young", async () => {
  await using stand = new Stand();
  stand.told();
  stand.told(server("a"));
  expect(stand.links[0]!.how.youngUntilMs).toBe(10_000);
});

test("a server that left naming keeps its link while it works, and is not dialled again", async () => {
  await using stand = new Stand();
  stand.told(server("a"), server("b"));
  stand.links[0]!.state = "open";
  stand.told(server("b"));
  expect(stand.links[0]).toMatchObject({ state: "open", dials: false, stopped: false });
  expect(stand.count("open")).toBe(1);
  stand.links[0]!.break();
  expect(stand.live).toEqual(["b"]);
  expect(stand.count("open")).toBe(0);
});

test("a server that left naming before it was reached is forgotten", async () => {
  await using stand = new Stand();
  stand.told(server("a"));
  stand.told();
  expect(stand.live).toEqual([]);
  stand.told(server("a"));
  expect(stand.live).toEqual(["a"]);
  expect(stand.links.length).toBe(2);
});

test("naming that lost everything and has it again changes no link that works", async () => {
  await using stand = new Stand();
  stand.told(server("a"), server("b"));
  for (const link of stand.links) link.state = "open";
  stand.told();
  stand.told(server("a"), server("b"));
  expect(stand.links.length).toBe(2);
  expect(stand.links.every(({ dials }) => dials)).toBe(true);
  stand.links[0]!.break();
  expect(stand.links[0]!.state).toBe("dialling");
});

test.each([
  ["address", { port: 8006 }],
  ["host", { host: "10.0.0.9" }],
  ["run", { incarnation: "another" }],
  ["zone", { zone: "z2" }],
])(
  "a server that comes back with another %s gets another link; the old one goes when it breaks",
  async (_what, more) => {
    await using stand = new Stand();
    stand.told(server("a"));
    stand.links[0]!.state = "open";
    stand.told(server("a", more));
    expect(stand.links[1]!.instance).toMatchObject(more);
    expect(stand.links[1]!.how.youngUntilMs).toBe(10_000);
    expect(stand.links[0]).toMatchObject({ state: "open", dials: false });
    stand.links[0]!.break();
    expect(stand.live).toEqual(["a"]);
    stand.told(server("a", more));
    expect(stand.links.length).toBe(2);
  },
);

test("other tags, domain or health URL change no link", async () => {
  await using stand = new Stand();
  stand.told(server("a"));
  stand.told(server("a", { tags: ["x"], domain: "d", healthUrl: "http://127.0.0.1/h" }));
  expect(stand.links.length).toBe(1);
  expect(stand.links[0]!.dials).toBe(true);
});

test("a server that comes and goes in two places has the links of both, each once", async () => {
  await using stand = new Stand();
  const here = server("a"), there = server("a", { port: 8006 });
  for (let i = 0; i < 10; i++) {
    stand.told(here);
    for (const link of stand.links) link.state = "open";
    stand.told(there);
    for (const link of stand.links) link.state = "open";
  }
  expect(stand.links.length).toBe(2);
  expect(stand.links.map(({ dials }) => dials)).toEqual([false, true]);
});

test("a server without tcp is not linked, and said once", async () => {
  await using stand = new Stand();
  stand.told(server("a", { protocol: "ws" }), server("b"));
  stand.told(server("a", { protocol: "ws" }), server("b"));
  expect(stand.live).toEqual(["b"]);
  expect(stand.logged).toEqual(["server is not linked: links are tcp"]);
  stand.told(server("a"), server("b"));
  expect(stand.live).toEqual(["b", "a"]);
});

test("a hundred servers that are told at once are dialled within a second, not together", async () => {
  let seed = 1;
  await using stand = new Stand(() => (seed = (seed * 16807) % 2147483647) / 2147483647);
  stand.told(...Array.from({ length: 100 }, (_, i) => server(`chat${i}`)));
  const dialled = [stand.links.length];
  for (let i = 0; i < 10; i++) {
    stand.clock.advance(100);
    dialled.push(stand.links.length);
  }
  expect(dialled[0]!).toBeLessThan(5);
  expect(dialled[5]!).toBeGreaterThan(30);
  expect(dialled[5]!).toBeLessThan(70);
  expect(dialled[10]).toBe(100);
  expect(stand.count("dialling")).toBe(100);
});

test("a server that leaves before its turn is never dialled", async () => {
  await using stand = new Stand(() => 0.5);
  stand.told(server("a"), server("b"));
  stand.told(server("b"));
  stand.clock.advance(1_000);
  expect(stand.links.map(({ instance }) => instance.id)).toEqual(["b"]);
});

test("one server alone is dialled at once", async () => {
  await using stand = new Stand(() => 0.9);
  stand.told(server("a"));
  expect(stand.links.length).toBe(1);
});

test("more than a thousand servers are not linked, which is an error in the log", async () => {
  await using stand = new Stand();
  stand.told(...Array.from({ length: 1_001 }, (_, i) => server(`chat${i}`)));
  expect(stand.links.length).toBe(1_000);
  expect(stand.logged).toEqual(["servers are not linked: too many"]);
});

test("a link that cannot be made is logged, and tried again", async () => {
  await using stand = new Stand();
  stand.fails = true;
  stand.told(server("a"));
  stand.clock.advance(2_500);
  expect(stand.logged).toEqual(["linking a server failed", "linking a server failed", "linking a server failed"]);
  stand.fails = false;
  stand.clock.advance(1_000);
  expect(stand.live).toEqual(["a"]);
  stand.fails = true;
  stand.told(server("a"), server("b"));
  stand.told(server("a"));
  stand.clock.advance(5_000);
  expect(stand.live).toEqual(["a"]);
});

test("a link that ended by itself is made again while its server is told", async () => {
  await using stand = new Stand();
  stand.told(server("a"));
  stand.links[0]!.dials = false;
  stand.links[0]!.break();
  expect(stand.count("dialling")).toBe(1);
  stand.clock.advance(1_000);
  expect(stand.live).toEqual(["a"]);
  expect(stand.links.length).toBe(2);
});

test("links are counted by what they do", async () => {
  await using stand = new Stand();
  stand.told(server("a"), server("b"), server("c"));
  stand.links[0]!.state = "open";
  stand.links[1]!.state = "draining";
  expect(["dialling", "open", "draining"].map((state) => stand.count(state))).toEqual([1, 1, 1]);
});

test("a stop stops every link, also those that naming does not tell any more, and hears nothing later", async () => {
  const stand = new Stand();
  stand.told(server("a"), server("b"));
  for (const link of stand.links) link.state = "open";
  stand.told(server("b"));
  await stand.discovery[Symbol.asyncDispose]();
  expect(stand.links.map(({ stopped }) => stopped)).toEqual([true, true]);
  expect(stand.subscribed).toEqual([]);
  stand.told(server("c"));
  expect(stand.links.length).toBe(2);
  expect(stand.count("open")).toBe(0);
});

test("while no server is linked it says why of each, in short", async () => {
  await using stand = new Stand();
  const why = () => stand.discovery.problem;
  expect(why()).toBe("no logic server: naming tells of none");
  stand.told(server("a"), server("b"));
  const [a, b] = stand.links;
  a!.problem = "it refuses the link: another cluster secret";
  expect(why()).toBe("no logic server: a: it refuses the link: another cluster secret; b: dialling");
  b!.state = "open";
  expect(why()).toBeUndefined();
  b!.state = "draining";
  stand.told(...["a", "b", "c", "d", "e"].map((id) => server(id)));
  expect(why()).toBe(
    "no logic server: a: it refuses the link: another cluster secret; b: draining; c: dialling; and 2 more",
  );
});
