import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import fs from "node:fs";
import { loadMain } from "../../src/load/main.ts";
import { LocalSystem, SECRET } from "../integration/system_local.ts";

let local: LocalSystem;
const { log, error } = console;
beforeAll(async () => {
  local = await LocalSystem.start({ inboxGroup: 20 });
  console.log = console.error = () => {};
});
afterAll(async () => {
  Object.assign(console, { log, error });
  await local[Symbol.asyncDispose]();
});

async function load(name: string, ...args: string[]) {
  const file = local.data.in(`${name}.json`);
  const server = ["--url", local.ws, "--url", local.tcp, "--secret", SECRET];
  const code = await loadMain([name, ...server, "--quiet", "--json", file, ...args]);
  return { code, figures: JSON.parse(fs.readFileSync(file, "utf8")).figures };
}

describe("the load tool's groups, against a server of ours", () => {
  test.each([["10", "3"], ["40", "10"]])("group-talk: %s members, %s of them old clients", async (members, old) => {
    const shape = ["--members", members, "--old", old, "--senders", "3", "--wait", "20"];
    const { code, figures } = await load("group-talk", ...shape, "--rate", "60", "--seconds", "0.6", "--warmup", "0.2");
    expect(code).toBe(0);
    expect(figures).toMatchObject({ sent: 48, stored: 48, delivered: 48 * (Number(members) - 1), lost: 0 });
    expect(figures).toMatchObject({ duplicates: 0, outOfOrder: 0, phantom: 0, unanswered: 0, stray: 0 });
    expect(figures.sendToAckMs.count).toBe(36);
    expect(figures.sendToOldPushMs.count).toBeGreaterThan(0);
  }, 60_000);

  test("group-talk in a closed loop, with members who are away", async () => {
    const shape = ["--members", "60", "--online", "12", "--rate", "0", "--window", "2", "--seconds", "0.4"];
    const { code, figures } = await load("group-talk", ...shape, "--warmup", "0", "--wait", "20");
    expect(code).toBe(0);
    expect(figures.stored).toBeGreaterThan(8);
    expect(figures.delivered).toBe(figures.stored * 11);
  }, 60_000);

  test("offline-sync reads everything, each way", async () => {
    const { code, figures } = await load("offline-sync", "--waiting", "700", "--repeat", "2");
    expect(code).toBe(0);
    expect(figures.wrong).toEqual([]);
    for (const way of ["oldMs", "oursMs", "resumedMs"]) expect(figures[way].count).toBe(2);
    expect(figures.requestMs.count).toBe(2 * (2 + 14 + 4));
  }, 60_000);

  test.each([[[]], [["--group"]]])("history pages both ways, and the list: %j", async (more) => {
    const shape = ["--messages", "230", "--conversations", "130", "--repeat", "1", "--readers", "2"];
    const { code, figures } = await load("history", ...shape, ...more);
    expect(figures.wrong).toEqual([]);
    expect(code).toBe(0);
    expect(figures.pages).toBe(2 * (6 + 5 + 2));
  }, 60_000);

  test("command lines that cannot be used end with 2", async () => {
    const wrong = [
      "group-talk --members 1",
      "group-talk --members 5 --online 6",
      "group-talk --members 5 --old 6",
      "group-talk --members 5 --senders 6",
      "group-talk --body 5001",
      "group-churn --members 3 --online 4",
      "offline-sync --contents 201",
    ];
    for (const line of wrong) expect([line, await loadMain(line.split(" "))]).toEqual([line, 2]);
  });
});
