import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { ready } from "./bad_input_disk.ts";
import { Stand } from "./bad_input_stand.ts";

describe("when a sync fails", () => {
  let stand: Stand;
  beforeAll(async () => {
    stand = await Stand.start({}, 1_000);
  }, 20_000);
  afterAll(() => stand[Symbol.asyncDispose]());

  test("everybody is told 300 until a restart, /ready says why, and what was refused never appears", async () => {
    const [ann, bob] = await Promise.all(["ann", "bob"].map((role) => stand.login("ws", stand.name(role))));
    expect((await ann!.talk(bob!.account, "before")).status).toBe(0);
    expect(await ready(stand)).toEqual({ status: 200, problem: undefined });
    await stand.attack("a failed sync", async () => {
      await stand.system.inject("sync=io@1");
      for (let i = 0; i < 20; i++) expect((await ann!.talk(bob!.account, `refused ${i}`)).status).toBe(300);
      const { status, problem } = await ready(stand);
      expect(status).toBe(503);
      expect(problem).toContain("the disk failed");
      expect(problem).toContain("restart petrel");
      expect((await bob!.inbox.readIndex(0n, true)).map(({ id }) => id)).toEqual(["before"]); // reading goes on
    }, true);
    stand.bystanders.stop();

    await stand.restart();
    expect(await ready(stand)).toEqual({ status: 200, problem: undefined });
    const after = await stand.login("tcp", ann!.account);
    expect((await after.talk(bob!.account, "after")).status).toBe(0);
    const reader = await stand.login("tcp", bob!.account);
    expect((await reader.inbox.readIndex(0n, true)).map(({ id }) => id)).toEqual(["before", "after"]);
    await stand.judge(); // also: none of the bystanders' refused messages is in any inbox
    for (const client of [after, reader]) client.close();
  }, 30_000);
});
