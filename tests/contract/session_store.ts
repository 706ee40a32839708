import { expect, test } from "bun:test";
import { gatewayLease, type Leases } from "../../src/session/leases.ts";
import { OlderLogin, type Session, type SessionStore } from "../../src/session/store.ts";

/** What every SessionStore promises. `open` makes an empty one with `devices` devices per account, and its leases. */
export function sessionStoreContract(
  name: string,
  openBoth: (devices: number) => Promise<{ store: SessionStore; leases: Leases }>,
): void {
  const open = async (devices: number): Promise<SessionStore> => (await openBoth(devices)).store;
  let generation = 1n;
  const session = (app: string, account: string, device: string, channelId: string): Session => ({
    app,
    account,
    device,
    channelId,
    gateId: "gw1",
    incarnation: "",
    content: "protobuf",
    generation: generation++,
    remoteIp: "127.0.0.1",
    zone: "",
    isp: "",
    tags: [],
  });
  const ids = (sessions: readonly Session[]) => sessions.map(({ channelId }) => channelId);
  const channels = async (store: SessionStore, app: string, ...accounts: string[]) =>
    (await store.locate(app, accounts)).map((one) => one.channelId);

  test(`SessionStore/${name}: a login is found by account and by channel`, async () => {
    await using store = await open(16);
    const ann = session("kim", "ann", "", "c1");
    expect(await store.add(ann)).toEqual([]);
    expect(await store.locate("kim", ["ann"])).toMatchObject([{ account: "ann", channelId: "c1", gateId: "gw1" }]);
    expect(await store.get("c1")).toMatchObject({ account: "ann", generation: ann.generation });
  });

  test(`SessionStore/${name}: session and location say how the client wants bodies`, async () => {
    await using store = await open(16);
    await store.add({ ...session("kim", "ann", "web", "c1"), content: "json" });
    await store.add({ ...session("kim", "ann", "desk", "c2"), content: "msgpack" });
    await store.add(session("kim", "bob", "", "c3"));
    const found = await store.locate("kim", ["ann", "bob"]);
    const contents = found.map((one) => `${one.channelId} ${one.content}`).sort();
    expect(contents).toEqual(["c1 json", "c2 msgpack", "c3 protobuf"]);
    expect((await store.get("c1"))?.content).toBe("json");
    const [put] = await store.add(session("kim", "ann", "web", "c4"));
    expect(put?.content).toBe("json");
  });

  test(`SessionStore/${name}: a second login of a device puts out the first and says which`, async () => {
    await using store = await open(16);
    const one = session("kim", "ann", "phone", "c1");
    await store.add(one);
    const put = await store.add(session("kim", "ann", "phone", "c2"));
    expect(put.map((old) => old.channelId)).toEqual(["c1"]);
    expect(await channels(store, "kim", "ann")).toEqual(["c2"]);
    expect(await store.get("c1")).toBeUndefined();
  });

  test(`SessionStore/${name}: a late logout of the old login keeps the new one online`, async () => {
    await using store = await open(16);
    const one = session("kim", "ann", "phone", "c1");
    await store.add(one);
    await store.add(session("kim", "ann", "phone", "c2"));
    expect(await store.end("c1")).toBe(false);
    expect(await channels(store, "kim", "ann")).toEqual(["c2"]);
  });

  test(`SessionStore/${name}: a login that is stored once more puts out nobody`, async () => {
    await using store = await open(1);
    const one = session("kim", "ann", "phone", "c1");
    await store.add(one);
    expect(await store.add({ ...one, generation: generation++ })).toEqual([]);
    expect(await channels(store, "kim", "ann")).toEqual(["c1"]);
    expect(await store.end("c1")).toBe(true);
    expect(await channels(store, "kim", "ann")).toEqual([]);
  });

  test(`SessionStore/${name}: an ended channel is found nowhere, and ends once`, async () => {
    await using store = await open(16);
    await store.add(session("kim", "ann", "", "c1"));
    expect(await store.end("c1")).toBe(true);
    expect(await store.end("c1")).toBe(false);
    expect(await channels(store, "kim", "ann")).toEqual([]);
    expect(await store.get("c1")).toBeUndefined();
  });

  test(`SessionStore/${name}: devices of one account are online side by side`, async () => {
    await using store = await open(16);
    await store.add(session("kim", "ann", "phone", "c1"));
    await store.add(session("kim", "ann", "desk", "c2"));
    expect((await channels(store, "kim", "ann")).sort()).toEqual(["c1", "c2"]);
  });

  test(`SessionStore/${name}: over the limit the most silent device goes`, async () => {
    await using store = await open(2);
    await store.add(session("kim", "ann", "a", "c1"));
    await new Promise((resolve) => setTimeout(resolve, 5));
    await store.add(session("kim", "ann", "b", "c2"));
    await new Promise((resolve) => setTimeout(resolve, 5));
    expect(await store.touch(["c1", "unknown"])).toEqual(["unknown"]);
    await new Promise((resolve) => setTimeout(resolve, 5));
    expect((await store.add(session("kim", "ann", "c", "c3"))).map((old) => old.channelId)).toEqual(["c2"]);
    expect((await channels(store, "kim", "ann")).sort()).toEqual(["c1", "c3"]);
  });

  test(`SessionStore/${name}: with one device per account every login replaces`, async () => {
    await using store = await open(1);
    await store.add(session("kim", "ann", "a", "c1"));
    expect((await store.add(session("kim", "ann", "b", "c2"))).map((old) => old.channelId)).toEqual(["c1"]);
  });

  test(`SessionStore/${name}: the same names in two apps are strangers`, async () => {
    await using store = await open(1);
    const one = session("kim", "ann", "phone", "c1");
    const two = session("other", "ann", "phone", "c2");
    await store.add(one);
    expect(await store.add(two)).toEqual([]);
    expect(await channels(store, "kim", "ann")).toEqual(["c1"]);
    expect(await channels(store, "other", "ann")).toEqual(["c2"]);
    await store.end("c2");
    expect(await channels(store, "kim", "ann")).toEqual(["c1"]);
  });

  test(`SessionStore/${name}: locate keeps the order of the accounts and skips who is offline`, async () => {
    await using store = await open(16);
    await store.add(session("kim", "ann", "", "c1"));
    await store.add(session("kim", "bob", "", "c2"));
    expect(await channels(store, "kim", "bob", "nobody", "ann")).toEqual(["c2", "c1"]);
  });

  test(`SessionStore/${name}: two logins at once leave one`, async () => {
    await using store = await open(16);
    const put = await Promise.all([
      store.add(session("kim", "ann", "", "c1")),
      store.add(session("kim", "ann", "", "c2")),
    ]);
    expect(put.flat().length).toBe(1);
    expect((await channels(store, "kim", "ann")).length).toBe(1);
  });

  test(`SessionStore/${name}: a login that was overtaken by the end of its channel is not stored`, async () => {
    await using store = await open(16);
    await store.add(session("kim", "ann", "phone", "c1"));
    expect(await store.end("c2")).toBe(false);
    expect(await codeOf(store.add(session("kim", "ann", "phone", "c2")))).toBe("CLOSED");
    expect(await store.restore([session("kim", "bob", "phone", "c2")])).toEqual([]);
    expect(await channels(store, "kim", "ann", "bob")).toEqual(["c1"]);
  });

  test(`SessionStore/${name}: a login that comes once more after its channel ended, or was put out, is not stored`, async () => {
    await using store = await open(16);
    await store.add(session("kim", "ann", "phone", "c1"));
    await store.end("c1");
    expect(await codeOf(store.add(session("kim", "ann", "phone", "c1")))).toBe("CLOSED");
    await store.add(session("kim", "ann", "phone", "c2"));
    await store.add(session("kim", "ann", "phone", "c3"));
    expect(await codeOf(store.add(session("kim", "ann", "phone", "c2")))).toBe("CLOSED");
    expect(await channels(store, "kim", "ann")).toEqual(["c3"]);
  });

  test(`SessionStore/${name}: sessions count while their gateway's lease is held`, async () => {
    const { store, leases } = await openBoth(16);
    await using _ = store;
    const at = (incarnation: string, account: string, channelId: string): Session => ({
      ...session("kim", account, "phone", channelId),
      incarnation,
    });
    expect(await codeOf(store.add(at("run1", "ann", "c1")))).toBe("CLOSED");
    await leases.claim(gatewayLease("run1"), "run1", 10_000);
    await leases.claim(gatewayLease("run2"), "run2", 10_000);
    await store.add(at("run1", "ann", "c1"));
    await store.add(at("run2", "bob", "c2"));
    expect(await channels(store, "kim", "ann", "bob")).toEqual(["c1", "c2"]);
    await leases.release(gatewayLease("run1"), "run1");
    await new Promise((resolve) => setTimeout(resolve, 1_100)); // who holds a lease may be remembered for a second
    expect(await channels(store, "kim", "ann", "bob")).toEqual(["c2"]);
    // A login elsewhere still learns which channel it put out: that gateway may live.
    expect((await store.add(at("run2", "ann", "c3"))).map((old) => old.channelId)).toEqual(["c1"]);
    expect(await channels(store, "kim", "ann")).toEqual(["c3"]);
  });

  test(`SessionStore/${name}: who is heard of without a session is told, in the order of the question`, async () => {
    await using store = await open(16);
    await store.add(session("kim", "ann", "phone", "c1"));
    await store.add(session("kim", "bob", "", "c2"));
    expect(await store.touch(["c1", "c2"])).toEqual([]);
    await store.add(session("kim", "ann", "phone", "c3"));
    await store.end("c2");
    expect(await store.touch(["c2", "c3", "c1"])).toEqual(["c2", "c1"]);
    expect(await store.touch([])).toEqual([]);
  });

  test(`SessionStore/${name}: what is put back is not one device too many`, async () => {
    await using store = await open(1);
    const desk = session("kim", "ann", "desk", "c1");
    await store.add(desk);
    expect((await store.add(session("kim", "ann", "phone", "c2"))).map((old) => old.channelId)).toEqual(["c1"]);
    expect(ids(await store.restore([desk]))).toEqual(["c1"]);
    expect(await channels(store, "kim", "ann")).toEqual(["c2"]);
    await store.end("c2");
    expect(await store.restore([desk])).toEqual([]);
    expect(await channels(store, "kim", "ann")).toEqual(["c1"]);
  });

  test(`SessionStore/${name}: a gateway puts its sessions back, except those that logged in elsewhere`, async () => {
    await using store = await open(16);
    const mine = [
      session("kim", "ann", "phone", "c1"),
      session("kim", "bob", "", "c2"),
      session("kim", "cy", "", "c3"),
    ];
    await store.add(mine[2]!);
    await store.add(session("kim", "bob", "", "c9"));
    expect(ids(await store.restore(mine))).toEqual(["c2"]);
    expect(await channels(store, "kim", "ann", "bob", "cy")).toEqual(["c1", "c9", "c3"]);
    expect(ids(await store.restore(mine))).toEqual(["c2"]);
    expect(await store.get("c1")).toMatchObject({ account: "ann", device: "phone", generation: mine[0]!.generation });
    expect(await store.end("c1")).toBe(true);
    expect(await channels(store, "kim", "ann")).toEqual([]);
  });

  test(`SessionStore/${name}: of two logins of a device the newer is put back, whichever comes first`, async () => {
    await using store = await open(16);
    const older = session("kim", "ann", "phone", "c1"), newer = session("kim", "ann", "phone", "c2");
    const old = session("kim", "bob", "", "c3"), late = session("kim", "bob", "", "c4");
    expect(ids(await store.restore([older, late]))).toEqual([]);
    expect(await store.restore([newer])).toEqual([older]);
    expect(await store.restore([old])).toEqual([old]);
    expect(await channels(store, "kim", "ann", "bob")).toEqual(["c2", "c4"]);
    expect(await store.touch(["c1", "c2", "c3", "c4"])).toEqual(["c1", "c3"]);
    expect(ids(await store.restore([older, newer]))).toEqual(["c1"]);
    expect(await codeOf(store.add({ ...older, generation: generation++ }))).toBe("CLOSED"); // put out, though late
    expect(await channels(store, "kim", "ann")).toEqual(["c2"]);
  });

  test(`SessionStore/${name}: one request may bring both logins of a device back`, async () => {
    await using store = await open(16);
    const older = session("kim", "ann", "phone", "c1"), newer = session("kim", "ann", "phone", "c2");
    expect(await store.restore([older, newer])).toEqual([older]);
    expect(await channels(store, "kim", "ann")).toEqual(["c2"]);
  });

  test(`SessionStore/${name}: generations are compared as numbers, and one that is not known is older than any`, async () => {
    await using store = await open(16);
    const at = (channelId: string, generation: bigint) => ({ ...session("kim", "ann", "", channelId), generation });
    await store.restore([at("c1", 0n)]);
    expect(ids(await store.restore([at("c2", 0n)]))).toEqual(["c2"]);
    expect(ids(await store.restore([at("c3", 9n)]))).toEqual(["c1"]);
    expect(ids(await store.restore([at("c4", 2n ** 53n + 1n)]))).toEqual(["c3"]);
    expect(ids(await store.restore([at("c5", 2n ** 53n)]))).toEqual(["c5"]);
    expect(ids(await store.restore([at("c6", 2n ** 63n - 1n)]))).toEqual(["c4"]);
    expect(await channels(store, "kim", "ann")).toEqual(["c6"]);
  });

  test(`SessionStore/${name}: with one device per account its newest login is put back`, async () => {
    await using store = await open(1);
    const older = session("kim", "ann", "desk", "c1"), newer = session("kim", "ann", "phone", "c2");
    expect(ids(await store.restore([older]))).toEqual([]);
    expect(ids(await store.restore([newer]))).toEqual(["c1"]);
    expect(ids(await store.restore([older]))).toEqual(["c1"]);
    expect(await channels(store, "kim", "ann")).toEqual(["c2"]);
  });

  test(`SessionStore/${name}: who was put back is one of the account's devices, as after a login`, async () => {
    await using store = await open(2);
    const older = session("kim", "ann", "phone", "c1"), newer = session("kim", "ann", "phone", "c2");
    const desk = session("kim", "ann", "desk", "c3"), third = session("kim", "ann", "pad", "c4");
    expect(ids(await store.restore([older, desk]))).toEqual([]);
    expect(ids(await store.restore([third]))).toEqual(["c4"]); // full, and none of them is its own
    expect(ids(await store.restore([newer]))).toEqual(["c1"]);
    expect((await channels(store, "kim", "ann")).sort()).toEqual(["c2", "c3"]);
    expect(await store.get("c2")).toEqual(newer);
    expect(await store.end("c2")).toBe(true);
    expect(await channels(store, "kim", "ann")).toEqual(["c3"]);
  });

  test(`SessionStore/${name}: a login older than the device's is not stored, and is told how new that is`, async () => {
    await using store = await open(16);
    const late = session("kim", "ann", "phone", "c1"), newer = session("kim", "ann", "phone", "c2");
    await store.add(newer);
    const refused = await store.add(late).catch((error: unknown) => error);
    expect(refused).toBeInstanceOf(OlderLogin);
    expect((refused as OlderLogin).generation).toBe(newer.generation);
    expect(await channels(store, "kim", "ann")).toEqual(["c2"]);
    expect(await store.add({ ...late, device: "desk" })).toEqual([]);
    expect(ids(await store.add({ ...late, channelId: "c3", generation: newer.generation + 1n }))).toEqual(["c2"]);
    // With one device per account any device's login is.
    await using one = await open(1);
    await one.add(newer);
    expect(await codeOf(one.add({ ...late, device: "desk" }))).toBe("CLOSED");
    expect(await channels(one, "kim", "ann")).toEqual(["c2"]);
  });
}

async function codeOf(promise: Promise<unknown>): Promise<string | undefined> {
  return await promise.then(() => undefined, (error: { code?: string }) => error.code);
}
