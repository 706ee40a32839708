import { readFileSync } from "node:fs";
import { expect, test } from "bun:test";
import { ImError } from "../base/errors.ts";
import { until } from "../../tests/browser/until.ts";
import { testInstance } from "../../tests/contract/naming.ts";
import type { Instance } from "./naming.ts";
import { openStaticNaming, StaticNaming } from "./static.ts";
import { parseStaticFile, parseStaticList } from "./static_list.ts";

const LIST = "chat=chat02@10.0.0.6:8005, chat=chat01@10.0.0.5:8005;zone=z1," +
  "wgateway=gate01@[fd00::1]:8000;tag=IDC:SH_ALI;tag=blue;domain=wss://chat.example.com/a=b;health=http://h:9000/health";

/** What is said of text that is refused. */
function problemOf(read: () => unknown): string {
  try {
    read();
  } catch (error) {
    expect((error as ImError).code).toBe("CONFIG");
    return (error as ImError).message;
  }
  throw new Error("It was taken");
}

test("a list in one setting names servers, sorted by service and id", () => {
  const chat = {
    service: "chat",
    incarnation: "",
    protocol: "tcp",
    port: 8005,
    tags: [],
    domain: "",
    healthUrl: "",
  } as const;
  expect(parseStaticList(LIST)).toEqual([
    { ...chat, id: "chat01", host: "10.0.0.5", zone: "z1" },
    { ...chat, id: "chat02", host: "10.0.0.6", zone: "" },
    {
      service: "wgateway",
      id: "gate01",
      incarnation: "",
      protocol: "ws",
      host: "fd00::1",
      port: 8000,
      tags: ["IDC:SH_ALI", "blue"],
      zone: "",
      domain: "wss://chat.example.com/a=b",
      healthUrl: "http://h:9000/health",
    },
  ]);
});

test("entries may stand on lines of their own, with commas or without", () => {
  const lines = parseStaticList("\n  chat=a@one:1,\n  chat=b@two:2\n\n royal=r@three:3;protocol=tcp\n");
  expect(lines.map(({ id, host, port, protocol }) => `${id} ${host} ${port} ${protocol}`)).toEqual([
    "a one 1 tcp",
    "b two 2 tcp",
    "r three 3 tcp",
  ]);
});

test.each([
  ["chat=a:1", `"chat=a:1" is not understood: write service=id@host:port`],
  ["chat", `"chat" is not understood`],
  ["=a@h:1", 'service is ""'],
  ["Chat=a@h:1", `service is "Chat"`],
  ["chat=@h:1", `id is ""`],
  ["chat=a b@h:1", `id is "a b"`],
  ["chat=a@:1", `host is ""`],
  ["chat=a@h h:1", `host is "h h"`],
  ["chat=a@fd00::1:1", "is not understood"],
  ["chat=a@[nonsense]:1", "is not understood"],
  ["chat=a@[a:b:c]:1", `host is "a:b:c"`],
  ["chat=a@h", "is not understood"],
  ["chat=a@h:0", "port is 0"],
  ["chat=a@h:65536", "port is 65536"],
  ["chat=a@h:123456", "is not understood"],
  ["wgatway=a@h:1", `service is "wgatway": it must be one of wgateway, tgateway, chat`],
  ["chat=a@h:1;zone=", `has nothing behind "zone="`],
  ["chat=a@h:1;weight=3", `has ";weight=3"`],
  ["chat=a@h:1;zone", `has ";zone"`],
  ["chat=a@h:1;tag=", `has nothing behind "tag="`],
  ["chat=a@h:1;domain=chat.example", `domain is "chat.example"`],
  ["chat=a@h:1;health=/health", `healthUrl is "/health"`],
  ["chat=a@h:1;protocol=udp", `protocol is "udp"`],
  ["chat=a@h:1,chat=a@h:2", "chat a is there twice"],
  ["chat=a@h:1,chat=b@h:1", "chat at h:1 is there twice"],
  [" , ", "it is empty"],
])("the list %s is refused, and told why", (list, problem) => {
  const told = problemOf(() => parseStaticList(list));
  expect(told).toContain("Cannot read the static list:");
  expect(told).toContain(problem);
});

test("everything that is wrong with a list is told at once, ten lines of it", () => {
  expect(problemOf(() => parseStaticList("chat=a@h:0,royal,chat=b@h:1;x=y")).split("\n").length).toBe(4);
  const many = problemOf(() => parseStaticList(Array.from({ length: 40 }, () => "x").join(",")));
  expect(many.split("\n").length).toBe(12);
  expect(many).toContain("and 30 more");
});

test("clients are told where a gateway is, unless its entry says otherwise", () => {
  const domains = parseStaticList(
    "wgateway=a@h:1,wgateway=b@[fd00::1]:2,tgateway=c@h:3,chat=d@h:4,wgateway=e@h:5;domain=wss://f",
  );
  expect(domains.map(({ id, domain }) => `${id} ${domain}`).sort()).toEqual(
    ["a ws://h:1", "b ws://[fd00::1]:2", "c tcp://h:3", "d ", "e wss://f"],
  );
});

test("an endless list is refused before it is looked at", () => {
  const text = Array.from({ length: 10_001 }, (_, i) => `chat=c${i}@h${i}:1`).join(",");
  expect(problemOf(() => parseStaticList(text))).toContain("it has 10001 servers: at most 10000");
});

test("a JSON file says the same as a list", () => {
  const file = JSON.stringify(parseStaticList(LIST).map(({ incarnation: _, ...rest }) => rest));
  expect(parseStaticFile(file, "servers.json")).toEqual(parseStaticList(LIST));
  expect(parseStaticFile(`[{"service":"royal","id":"r","host":"h","port":1}]`, "f")[0]?.protocol).toBe("http");
});

test.each([
  ["{", "it is not JSON"],
  ["{}", "it must be a list of servers"],
  ["[]", "it is empty"],
  ["[7]", "[0] is no object"],
  [`[{"service":"chat","id":"a","host":"h"}]`, "[0]: port is missing"],
  [`[{"service":"chat","id":"a","host":"h","port":"1"}]`, `[0]: port is "1"`],
  [`[{"service":"chat","id":"a","host":"h","port":1,"weight":2}]`, `[0] has "weight"`],
  [`[{"service":"chat","id":"a","host":"h","port":1,"tags":"x"}]`, `[0]: tags is "x"`],
  [`[{"service":"chat","id":"a","host":"h","port":1,"incarnation":"x"}]`, `[0] has "incarnation"`],
  [`[{"service":7,"id":null,"host":{},"port":1}]`, "service is 7"],
])("the file %s is refused, and told why", (file, problem) => {
  const told = problemOf(() => parseStaticFile(file, "servers.json"));
  expect(told).toContain("Cannot read servers.json:");
  expect(told).toContain(problem);
});

test("what begins with / or . is a file's path", async () => {
  const read = (path: string) => `[{"service":"chat","id":"${path.slice(-1)}","host":"h","port":1}]`;
  for (const path of ["/etc/a", "./a", "../a"]) {
    await using naming = openStaticNaming(path, read);
    expect((await naming.find("chat")).map(({ id }) => id)).toEqual(["a"]);
  }
  await using list = openStaticNaming("chat=b@h:1", read);
  expect((await list.find("chat")).map(({ id }) => id)).toEqual(["b"]);
});

test("StaticNaming finds by service and tags, and tells its list once", async () => {
  await using naming = new StaticNaming(parseStaticList(LIST));
  expect((await naming.find("chat")).map(({ id }) => id)).toEqual(["chat01", "chat02"]);
  expect((await naming.find("wgateway", ["blue", "IDC:SH_ALI"])).length).toBe(1);
  expect((await naming.find("wgateway", ["red"])).length).toBe(0);
  const told: (readonly Instance[])[] = [];
  const subscription = naming.subscribe("chat", (list) => told.push(list));
  naming.subscribe("shop", (list) => told.push(list));
  expect(told).toEqual([]);
  await until("told", () => told.length, (count) => count === 2);
  expect(told.map((list) => list.length)).toEqual([2, 0]);
  subscription.stop();
});

test("StaticNaming tells nothing to who stopped, or when it is closed", async () => {
  let told = 0;
  const naming = new StaticNaming(parseStaticList(LIST));
  naming.subscribe("chat", () => told++).stop();
  naming.subscribe("chat", () => told++);
  await naming[Symbol.asyncDispose]();
  await Promise.resolve();
  expect(told).toBe(0);
});

test("a server that the static list does not have, or has elsewhere, is told so", () => {
  const naming = new StaticNaming(parseStaticList(LIST));
  const problem = (more: Partial<Instance>) => naming.register(testInstance({ port: 8005, ...more })).problem;
  expect(problem({ id: "chat01" })).toBeUndefined();
  expect(problem({ id: "chat01", host: "another-name-of-it" })).toBeUndefined();
  expect(problem({ id: "chat03" })).toBe(
    "Cannot be found as chat chat03: the static list has no such server (chat: chat01, chat02); " +
      "add chat=chat03@127.0.0.1:8005",
  );
  expect(problem({ id: "chat01", port: 8006 })).toContain("says tcp at 10.0.0.5:8005, it is tcp at 127.0.0.1:8006");
  expect(problem({ service: "royal", id: "r" })).toBeUndefined();
});

test("the lists of the documentation are read", () => {
  const page = readFileSync(new URL("../docs/naming.md", import.meta.url), "utf8");
  const list = parseStaticList(/='static:([^']*)'/.exec(page)![1]!);
  expect(list.map(({ id }) => id)).toEqual(["chat01", "chat02", "royal01", "gate01"]);
  const file = parseStaticFile(/```json\n(\[[^]*?\n\])\n/.exec(page)![1]!, "naming.md");
  for (const instance of file) expect(list.find(({ id }) => id === instance.id)).toEqual(instance);
});
