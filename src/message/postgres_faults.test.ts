import { afterAll, describe, expect, test } from "bun:test";
import postgres from "postgres";
import { Random } from "../load/random.ts";
import { group, groupTalk } from "../../tests/contract/group_talk.ts";
import { stored, talk } from "../../tests/contract/message_talk.ts";
import { type CommitFate, PostgresProxy } from "../../tests/support/postgres_proxy.ts";
import { expectExactly, killRounds, twoStores } from "../../tests/support/postgres_rounds.ts";
import { PostgresServer, whyNoPostgres } from "../../tests/support/postgres_server.ts";
import { ImError } from "../base/errors.ts";
import type { ImStore } from "./message_store.ts";
import { migratePostgres, openPostgresStore, type PostgresOptions } from "./postgres.ts";

const why = whyNoPostgres();
const server = why === undefined
  ? await PostgresServer.start({ settings: { max_connections: "20", deadlock_timeout: "500ms" } })
  : undefined;
afterAll(async () => await server?.[Symbol.asyncDispose]());

let made = 0;
/** A migrated schema of its own on the server. */
async function place(): Promise<{ url: string; schema: string }> {
  const schema = `faults_${made++}`;
  const { url } = server!;
  await migratePostgres({ url, schema });
  return { url, schema };
}

async function code(call: Promise<unknown>): Promise<string> {
  try {
    const value = await call;
    const [first] = Array.isArray(value) ? value : [];
    return first instanceof ImError ? first.code : "";
  } catch (thrown) {
    return thrown instanceof ImError ? thrown.code : String(thrown);
  }
}

const title = (what: string) => why === undefined ? what : `${what} (skipped: ${why})`;
const check = (what: string, body: () => Promise<void>) => test.skipIf(why !== undefined)(title(what), body, 60_000);

describe("PostgresStore when the database fails", () => {
  for (const seed of [1, 2, 3]) {
    check(`a connection lost around COMMIT changes no answer, seed ${seed}`, async () => {
      const { url, schema } = await place();
      await using proxy = await PostgresProxy.start(server!.port);
      await using store = await openPostgresStore({ url: proxy.url(url), schema, connections: 3 });
      const random = new Random(seed);
      const fates: readonly CommitFate[] = ["pass", "cut before", "cut after"];
      proxy.fate = () => random.pick(fates);
      const bodies = Array.from({ length: 15 }, (_, i) => `${i}`);
      for (const [i, body] of bodies.entries()) {
        expect(await stored(store, talk("ann", "bob", { body }))).toMatchObject({ seq: i + 1, duplicate: false });
      }
      expect(proxy.struck).toBeGreaterThan(5);
      await expectExactly(store, bodies);
    });
  }

  check("an unknown commit is known again after several restarts, whichever way it went", async () => {
    const { url, schema } = await place();
    await using proxy = await PostgresProxy.start(server!.port);
    await using store = await openPostgresStore({ url: proxy.url(url), schema, connections: 2 });
    for (const [i, fate] of (["cut before", "cut after"] as const).entries()) {
      let stopped: Promise<void> | undefined;
      proxy.fate = () => {
        proxy.fate = () => "pass";
        if (fate === "cut before") stopped = server!.kill();
        else setTimeout(() => stopped = server!.kill(), 50);
        return fate;
      };
      const sent = stored(store, talk("ann", "bob", { body: fate }));
      await until(() => Promise.resolve(stopped !== undefined));
      await stopped;
      for (let round = 0; round < 2; round++) {
        await server!.resume();
        await server!.kill();
      }
      const early = await Promise.race([sent, new Promise((go) => setTimeout(go, 200, "no answer"))]);
      if (early !== "no answer") expect(early).toMatchObject({ seq: i + 1 });
      await server!.resume();
      expect(await sent).toMatchObject({ seq: i + 1, duplicate: false });
    }
    await expectExactly(store, ["cut before", "cut after"]);
  });

  check("a network that swallows COMMIT is given up, and the outcome found", async () => {
    const { url, schema } = await place();
    await using proxy = await PostgresProxy.start(server!.port);
    await using store = await openPostgresStore({ url: proxy.url(url), schema, connections: 2, stallMs: 1_000 });
    await stored(store, talk("ann", "bob", { body: "1" }));
    proxy.fate = () => {
      proxy.fate = () => "pass";
      return "swallow";
    };
    expect(await stored(store, talk("ann", "bob", { body: "2" }))).toMatchObject({ seq: 2, duplicate: false });
    proxy.silent = true;
    const read = code(store.heads("kim", ["bob"]));
    expect(await read).toBe("SYSTEM");
    proxy.silent = false;
    await expectExactly(store, ["1", "2"]);
  });

  check("a server killed under load, three times, loses nothing that was answered", async () => {
    const { url, schema } = await place();
    const result = await killRounds(server!, { url, schema }, 3, 7);
    expect(result.killed).toBe(3);
    expect(result.answered).toBeGreaterThan(50);
  });

  check("a database that is down at the start is waited for", async () => {
    const { url, schema } = await place();
    await server!.stop();
    const opening = openPostgresStore({ url, schema });
    expect(await Promise.race([opening.then(() => "open"), new Promise((go) => setTimeout(go, 300, "waiting"))])).toBe(
      "waiting",
    );
    await server!.resume();
    await using store = await opening;
    expect(await stored(store, talk("ann", "bob"))).toMatchObject({ seq: 1 });
  });

  check("closing does not wait for a database that is gone", async () => {
    const { url, schema } = await place();
    const store = await openPostgresStore({ url, schema });
    await server!.kill();
    const sent = code(store.append([talk("ann", "bob")]));
    await store[Symbol.asyncDispose]();
    expect(["SYSTEM", "CLOSED"]).toContain(await sent);
    await server!.resume();
  });

  check("an older backup: numbering goes on from it under another epoch, ids still grow", async () => {
    const { url, schema } = await place();
    await using store = await openPostgresStore({ url, schema });
    const kept = await stored(store, talk("ann", "bob", { body: "kept" }));
    await store.ack("kim", "bob", "phone", 1);
    const [before] = await store.heads("kim", ["bob"]);
    await server!.stop();
    const backup = await server!.backup();
    await server!.resume();
    expect(await stored(store, talk("ann", "bob", { body: "restart" }))).toMatchObject({ seq: 2 });
    expect((await store.heads("kim", ["bob"]))[0]!.epoch).toBe(before!.epoch); // a restart alone changes nothing
    const lost = await stored(store, talk("ann", "bob", { body: "lost" }));
    expect(await store.ack("kim", "bob", "phone", 3)).toBe(3);
    await server!.stop("immediate");
    await server!.restore(backup);
    await server!.resume();
    const next = await stored(store, talk("ann", "bob", { body: "next" }));
    expect(next).toMatchObject({ seq: 2, receiverPos: 2, duplicate: false });
    expect(next.messageId).toBeGreaterThan(lost.messageId);
    expect(next.sendTime).toBeGreaterThan(lost.sendTime);
    const [after] = await store.heads("kim", ["bob"]);
    expect(after).toMatchObject({ pos: 2 });
    expect(after!.epoch).not.toBe(before!.epoch);
    expect(await store.acked("kim", "bob", "phone")).toBe(1);
    expect(await store.ack("kim", "bob", "phone", 3)).toBe(2);
    await expectExactly(store, ["kept", "next"]);
    expect(kept.messageId).toBeLessThan(lost.messageId);
    await migratePostgres({ url, schema, restored: true }); // said by hand, when nobody was there to see
    expect((await store.heads("kim", ["bob"]))[0]!.epoch).not.toBe(after!.epoch);
    await stored(store, talk("new", "newer"));
  });

  check("a deadlock is repeated until it passes", async () => {
    const { url, schema } = await place();
    await using store = await openPostgresStore({ url, schema });
    await store.append([talk("ann", "bob", { body: "1" })]);
    const other = postgres(url, { max: 1, connection: { search_path: schema, deadlock_timeout: "20s" } });
    const watch = postgres(url, { max: 1 });
    let sent: Promise<unknown> | undefined;
    await other.begin(async (tx) => {
      await tx`SELECT 1 FROM logs WHERE name = 'bob' FOR UPDATE`;
      sent = store.append([talk("ann", "bob", { body: "2" })]);
      while ((await watch`SELECT 1 FROM pg_locks WHERE NOT granted`).length === 0) { /* look again */ }
      await tx`SELECT 1 FROM logs WHERE name = 'ann' FOR UPDATE`; // each has what the other wants
    });
    expect(await sent).toMatchObject([{ seq: 2 }]);
    await Promise.all([other.end(), watch.end()]);
    await expectExactly(store, ["1", "2"]);
  });

  check("a message that waited while another store made its group large is a room's", async () => {
    const { url, schema } = await place();
    await using store = await openPostgresStore({ url, schema });
    const { id } = await store.createGroup(group("ann", ["bob", "cat"]));
    await stored(store, groupTalk("ann", id));
    const other = postgres(url, { max: 1, connection: { search_path: schema } });
    const watch = postgres(url, { max: 1 });
    let sent: Promise<unknown> | undefined;
    await other.begin(async (tx) => {
      await tx`SELECT 1 FROM logs WHERE name = ${id} FOR UPDATE`;
      sent = stored(store, groupTalk("ann", id));
      while ((await watch`SELECT 1 FROM pg_locks WHERE NOT granted`).length === 0) { /* look again */ }
      await tx`UPDATE groups SET large_from = 1`;
    });
    expect(await sent).toMatchObject({ seq: 2, room: true, senderPos: 0 });
    await Promise.all([other.end(), watch.end()]);
  });

  check("a server with no connection left, or read-only, refuses; the store finds out when it is over", async () => {
    const { url, schema } = await place();
    await using store = await openPostgresStore({ url, schema, connections: 2 });
    await stored(store, talk("ann", "bob", { body: "1" }));
    const admin = postgres(url, { max: 1, onnotice: () => {} });
    const readOnly = async (on: boolean) => {
      await admin.unsafe(`ALTER SYSTEM SET default_transaction_read_only = ${on ? "on" : "off"}`);
      await admin`SELECT pg_reload_conf()`;
      while (
        (await server!.query<{ on: string }>("SELECT current_setting('default_transaction_read_only') AS on"))[0]!
          .on !== (on ? "on" : "off")
      ) { /* not yet */ }
    };
    await admin`SET default_transaction_read_only = off`;
    await readOnly(true);
    await until(async () => await code(store.append([talk("ann", "bob", { body: "no" })])) === "SYSTEM");
    expect(store.health().problem).toContain("read-only");
    expect((await store.heads("kim", ["bob"]))[0]!.pos).toBeGreaterThan(0);
    await readOnly(false);
    await until(() => Promise.resolve(store.health().writable));
    const crowd = postgres(url, { max: 30, connect_timeout: 1 });
    const held = Array.from({ length: 30 }, () => crowd`SELECT pg_sleep(30)`.catch(() => undefined));
    await until(async () => {
      await using late = await openWithin(1_500, { url, schema });
      return late === undefined;
    });
    await admin`SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE query LIKE '%pg_sleep%' AND pid <> pg_backend_pid()`;
    await admin.end();
    await crowd.end({ timeout: 0 });
    await Promise.all(held);
    await using late = await openPostgresStore({ url, schema });
    expect((await late.heads("kim", ["bob"]))[0]!.pos).toBeGreaterThan(0);
  });

  check("two stores on one database wait for each other's locks, and numbers stay dense", async () => {
    const { url, schema } = await place();
    const { waits, batches } = await twoStores({ url, schema }, 60);
    expect(waits / batches).toBeGreaterThanOrEqual(0.1);
  });
});

/** A store, if it opens in that time; else it is closed when it does. */
async function openWithin(ms: number, options: PostgresOptions): Promise<ImStore | undefined> {
  const opening = openPostgresStore({ ...options, connections: 1 });
  const store = await Promise.race([opening, new Promise<undefined>((go) => setTimeout(go, ms, undefined))]);
  if (!store) void opening.then((one) => one[Symbol.asyncDispose]());
  return store;
}

async function until(done: () => Promise<boolean>): Promise<void> {
  while (!await done()) await new Promise((go) => setTimeout(go, 20));
}
