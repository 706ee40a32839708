import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import fs from "node:fs";
import os from "node:os";
import path from "node:path";
import { check } from "./checker.ts";
import { FakeServer, type Mischief } from "./fake_server.ts";
import { MemoryHistory } from "./history.ts";
import { loadMain } from "./main.ts";
import { dayToken } from "./token.ts";
import { FAULTS } from "./verdict.ts";
import { WireClient } from "./wire_client.ts";

const SECRET = "a secret of the load tool's tests";
let directory: string;
/** What the tool would have printed. */
const printed: string[] = [];
const { log, error } = console;
beforeAll(() => {
  directory = fs.mkdtempSync(path.join(os.tmpdir(), "petrel-load-test-"));
  console.log = console.error = (line: string) => void printed.push(line);
});
afterAll(() => {
  Object.assign(console, { log, error });
  fs.rmSync(directory, { recursive: true });
});

/** Runs a scenario against a server; gives the exit code and the JSON it wrote. */
async function load(server: FakeServer, name: string, ...args: string[]) {
  const file = path.join(directory, "result.json");
  const urls = ["--url", server.wsUrl, "--url", server.tcpUrl];
  const code = await loadMain([name, ...urls, "--secret", SECRET, "--quiet", "--json", file, ...args]);
  const result = JSON.parse(fs.readFileSync(file, "utf8"));
  fs.rmSync(file);
  return { code, result, figures: result.figures };
}

function fake(mischief?: (n: number) => Mischief | undefined): Promise<FakeServer> {
  return FakeServer.start({ secret: SECRET, page: 7, ...(mischief === undefined ? {} : { mischief }) });
}

const TALK = [
  "--pairs",
  "4",
  "--rate",
  "1000",
  "--seconds",
  "0.3",
  "--warmup",
  "0.1",
  "--wait",
  "0.4",
  "--settle",
  "0",
];

describe("load user-talk", () => {
  test("counts every message once at a server without faults, over both transports", async () => {
    await using server = await fake();
    const { code, result, figures } = await load(server, "user-talk", ...TALK);
    expect(code).toBe(0);
    expect(figures).toMatchObject({ sent: 400, stored: 400, pushed: 400, lost: 0, duplicates: 0, outOfOrder: 0 });
    expect(figures).toMatchObject({ phantom: 0, unknown: 0, stray: 0, other: 0, refused: 0, neverSent: 0 });
    expect(figures.sendToAckMs.count).toBe(300);
    expect(figures.sendToPushMs.count).toBe(300);
    expect(figures.sendToPushMs.p50).toBeGreaterThan(0);
    expect(result.machine.cores).toBeGreaterThan(0);
    expect(JSON.stringify(result)).not.toContain(SECRET);
  });

  test("has a closed loop, many senders to one receiver, acks and bystanders", async () => {
    await using server = await fake();
    const shape = ["--rate", "0", "--window", "3", "--senders", "8", "--receivers", "1", "--ack"];
    const beside = ["--bystanders", "2", "--bystander-rate", "50"];
    const { code, figures } = await load(server, "user-talk", ...TALK, ...shape, ...beside);
    expect(code).toBe(0);
    expect(figures.stored).toBeGreaterThan(100);
    expect(figures).toMatchObject({ lost: 0, unknown: 0, pushed: figures.stored, sent: figures.stored });
    expect(figures.bystanders).toMatchObject({ sent: 20, stored: 20, lost: 0 });
  });

  const faults: [Mischief, Record<string, number>][] = [
    ["lose", { lost: 4, stored: 400, pushed: 396 }],
    ["twice", { duplicates: 4, lost: 0 }],
    ["late", { outOfOrder: 4, lost: 0, duplicates: 0 }],
    ["invent", { phantom: 4, lost: 0, duplicates: 0 }],
    ["refuse but store", { phantom: 4, refused: 4, lost: 0 }],
    ["silent", { unknown: 4, lost: 0, stored: 396, pushed: 400 }],
    ["store twice", { duplicates: 4, lost: 0 }],
  ];
  test.each(faults)("sees four messages of four hundred that a server would %s", async (mischief, expected) => {
    await using server = await fake((n) => n % 97 === 3 && n < 390 ? mischief : undefined);
    const patience = mischief === "lose" || mischief === "silent" ? ["--wait", "1"] : [];
    const { code, figures } = await load(server, "user-talk", ...TALK, ...patience);
    expect(figures).toMatchObject(expected);
    expect(code).toBe(1);
  });

  test("reports refusals by status, and they are no fault", async () => {
    await using server = await fake((n) => n % 10 === 0 ? "refuse" : undefined);
    const { code, figures } = await load(server, "user-talk", ...TALK);
    expect(code).toBe(0);
    expect(figures).toMatchObject({ refused: 40, refusedBy: { 302: 40 }, stored: 360, lost: 0, unknown: 0 });
  });
});

describe("load login and load idle", () => {
  test.each([
    ["one after the other", ["--count", "30", "--concurrency", "1"]],
    ["at a rate", ["--count", "30", "--rate", "300"]],
    ["all at once", ["--burst", "30"]],
  ])("login: %s, all are answered", async (_how, args) => {
    await using server = await fake();
    const { code, figures } = await load(server, "login", ...args);
    expect(code).toBe(0);
    expect(figures).toMatchObject({ total: 30, answered: 30, failures: {} });
    expect(figures.answerMs.count).toBe(30);
  });

  test("idle: keeps connections, pings them and sees every pong", async () => {
    await using server = await fake();
    const { code, figures } = await load(
      server,
      "idle",
      ...["--connections", "60", "--seconds", "0.3", "--ping", "0.1", "--settle", "0"],
    );
    expect(code).toBe(0);
    expect(figures.connections).toBe(60);
    expect(figures.pings).toBeGreaterThan(100);
    expect(figures.pongs).toBe(figures.pings);
  });
});

describe("load --report", () => {
  test.each([
    ["user-talk", [...TALK, "--seconds", "1.2"], ["Messages", "Send to ack", "Send to push"]],
    ["login", ["--rate", "30", "--count", "40"], ["Logins", "Logins in flight", "To login answer"]],
    ["idle", ["--connections", "20", "--seconds", "1.2", "--ping", "0.2", "--settle", "0"], [
      "Connections",
      "Pings",
      "Ping to pong",
    ]],
  ])(
    "%s: a page with charts over time, the verdict and the command, without the secret",
    async (name, args, titles) => {
      await using server = await fake();
      const file = path.join(directory, "report.html");
      const { code, figures } = await load(server, name, ...args, "--report", file);
      expect(code).toBe(0);
      if (name === "idle") expect(figures.openedMs).toBeGreaterThan(1); // all twenty were opened before anything is measured
      const page = fs.readFileSync(file, "utf8");
      expect(page).not.toContain(SECRET);
      const data = JSON.parse(/id="data">(.*?)<\/script>/s.exec(page)![1]!);
      expect(data.tiles.every(([, count]: [string, number]) => count === 0)).toBe(true);
      expect(data.where.at(-1)[1]).toContain(`petrel load ${name}`);
      const { seconds, charts } = data.charts;
      expect(seconds.length).toBeGreaterThan(0);
      expect(charts.map((chart: { title: string }) => chart.title)).toEqual(expect.arrayContaining([...titles]));
      for (const { series } of charts) {
        for (const { values } of series) expect(values.length).toBe(seconds.length);
      }
    },
    20_000,
  );
});

describe("load's command line", () => {
  test("a wrong secret and an address nobody listens on exit with 1 and say so", async () => {
    await using server = await fake();
    for (const name of ["login", "idle", "user-talk"]) {
      expect(await loadMain([name, "--url", server.wsUrl, "--secret", "wrong", "--quiet"])).toBe(1);
      expect(printed.at(-1)).toContain("status 105");
      expect(await loadMain([name, "--url", "tcp://127.0.0.1:1", "--secret", SECRET, "--quiet"])).toBe(1);
      expect(printed.at(-1)).toContain("Cannot connect to 127.0.0.1:1: ECONNREFUSED");
    }
  });

  test.each([
    ["no scenario", []],
    ["an unknown scenario", ["no-such"]],
    ["an unknown option", ["user-talk", "--no-such"]],
    ["a number that is none", ["user-talk", "--rate", "many", "--secret", "x"]],
    ["a body too short for a stamp", ["user-talk", "--body", "3", "--secret", "x"]],
    ["a wrong address", ["login", "--url", "http://127.0.0.1/", "--secret", "x"]],
    ["a secret file that is not there", ["login", "--secret-file", "/no/such/file"]],
    ["a history that is not named", ["check"]],
    ["an odd number of crash clients", ["crash", "--clients", "3"]],
  ])("%s exits with 2", async (_what, args) => {
    expect(await loadMain([...args])).toBe(2);
  });

  test("help exits with 0 and check tells a clean history from a spoilt one", async () => {
    expect(await loadMain(["--help"])).toBe(0);
    for (const args of [["-h"], ["user-talk", "--help"], ["idle", "-h"], ["jitter", "-h"]]) {
      printed.length = 0;
      expect(await loadMain(args)).toBe(0);
      expect(printed.join("\n")).toContain(args.length === 1 ? "jitter" : "--report FILE");
    }
    const file = path.join(directory, "history.jsonl");
    const send = { event: "send", at: 1, attempt: 1, client: "a", conn: "c1", id: "m1", dest: "b" };
    const ack = { event: "ack", at: 2, attempt: 1, status: 0, messageId: "5", sendTime: "1" };
    const online = { event: "online", at: 0, client: "b", conn: "c2" };
    fs.writeFileSync(file, [online, send, ack].map((event) => JSON.stringify(event)).join("\n"));
    expect(await loadMain(["check", file])).toBe(1);
    fs.writeFileSync(file, [online, send].map((event) => JSON.stringify(event)).join("\n"));
    expect(await loadMain(["check", file])).toBe(0);
  });
});

describe("WireClient and the checker", () => {
  /** Two clients talk, then both inboxes are read both ways. */
  async function talkAndRead(server: FakeServer) {
    const history = new MemoryHistory();
    const open = (url: string, account: string) =>
      WireClient.login(url, dayToken(SECRET, "kim", account), { history, timeoutMs: 300 });
    await using ann = await open(server.wsUrl, "ann");
    await using bob = await open(server.tcpUrl, "bob");
    await Promise.allSettled(Array.from({ length: 20 }, (_, i) => ann.talk("bob", `from ann ${i}`)));
    await bob.talk("ann", "from bob");
    for (const client of [ann, bob]) {
      await client.inbox.readIndex(0n, true);
      await client.inbox.readSync();
    }
    return check(history.events);
  }

  test("agree that a server without faults keeps its promises", async () => {
    await using server = await fake();
    expect(await talkAndRead(server)).toMatchObject({ clean: true, acked: 21, unjudged: 0 });
  });

  const faults: [Mischief, string[]][] = [
    ["lose", ["lost"]],
    ["twice", ["twice"]],
    ["late", ["order"]],
    ["invent", ["phantom"]],
    ["refuse but store", ["phantom"]],
    ["store twice", ["twice"]],
    ["silent", []],
  ];
  test.each(faults)("find what it means to %s", async (mischief, expected) => {
    await using server = await fake((n) => n === 7 ? mischief : undefined);
    const verdict = await talkAndRead(server);
    expect(FAULTS.filter((name) => verdict.faults[name].count > 0)).toEqual(expected as typeof FAULTS[number][]);
    expect(verdict.unknownStored).toBe(mischief === "silent" ? 1 : 0);
  });

  test("a client sees pongs, refusals, kick-outs and closed connections", async () => {
    await using server = await fake();
    const token = dayToken(SECRET, "kim", "ann");
    await using one = await WireClient.login(server.wsUrl, token);
    one.ping();
    await one.until((client) => client.pongs === 1);
    expect((await one.talk("", "to nobody")).status).toBe(100);
    expect((await one.request("chat.no.such")).status).toBe(301);
    await using _two = await WireClient.login(server.tcpUrl, token);
    await one.until((client) => client.pushes.some((packet) => packet.command === "login.signin"));
    await using refused = await WireClient.open(server.wsUrl);
    expect((await refused.login("a.b.c")).status).toBe(105);
    await refused.ended;
    await expect(WireClient.login(server.tcpUrl, "a.b.c")).rejects.toThrow("status 105");
  });
});
