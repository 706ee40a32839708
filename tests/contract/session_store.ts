import { expect, test } from "bun:test";
import type { Session, SessionStore } from "../../src/session/store.ts";

/** What every SessionStore promises. `open` makes an empty one with `devices` devices per account. */
export function sessionStoreContract(name: string, open: (devices: number) => Promise<SessionStore>): void {
  let generation = 1n;
  const session = (app: string, account: string, device: string, channelId: string): Session => ({
    app,
    account,
    device,
    channelId,
    gateId: "gw1",
    content: "protobuf",
    generation: generation++,
    remoteIp: "127.0.0.1",
    zone: "",
    isp: "",
    tags: [],
  });
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
    expect(await store.delete(one)).toBe(false);
    expect(await channels(store, "kim", "ann")).toEqual(["c2"]);
  });

  test(`SessionStore/${name}: a logout with another generation changes nothing`, async () => {
    await using store = await open(16);
    const one = session("kim", "ann", "", "c1");
    await store.add(one);
    expect(await store.delete({ ...one, generation: 0n })).toBe(false);
    expect(await store.delete(one)).toBe(true);
    expect(await store.delete(one)).toBe(false);
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
    await store.touch(["c1", "unknown"]);
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
    expect(await store.delete({ ...one, generation: two.generation })).toBe(false);
    await store.delete(two);
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
}
