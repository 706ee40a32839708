import { describe, expect, test } from "bun:test";
import { FakeClock } from "../base/fake_clock.ts";
import { pipe } from "../runtime/memory/mod.ts";
import { connEnv } from "./conn_env.ts";
import type { SocketEvents } from "./ports.ts";
import { ProxyOpening, readProxyHeader } from "./proxy_header.ts";

const SIGNATURE = "0d0a0d0a000d0a515549540a";
const TCP4 = SIGNATURE + "21" + "11" + "000c" + "cb007107" + "0a000001" + "c823" + "1f41";
const bytesOf = (hex: string) => new Uint8Array(hex.match(/../g)!.map((byte) => parseInt(byte, 16)));
const ipv6 = (address: string) => SIGNATURE + "21" + "21" + "0024" + address + "0".repeat(32) + "0050" + "1f41";
const settle = () => new Promise((resolve) => setTimeout(resolve, 0));

describe("PROXY protocol, version 2", () => {
  test.each([
    ["IPv4", TCP4, "203.0.113.7:51235"],
    ["IPv4 with extensions behind", TCP4.replace("000c", "0013") + "04000401020304", "203.0.113.7:51235"],
    ["IPv6", ipv6("20010db8000000000000000000000001"), "[2001:db8::1]:80"],
    ["IPv6, nothing to shorten", ipv6("20010db8000100020003000400050006"), "[2001:db8:1:2:3:4:5:6]:80"],
    ["IPv6, zeros at the end", ipv6("20010db8000000010000000000000000"), "[2001:db8:0:1::]:80"],
    ["IPv6 loopback", ipv6("00000000000000000000000000000001"), "[::1]:80"],
    ["IPv4 in IPv6 clothes", ipv6("00000000000000000000ffffc0000201"), "192.0.2.1:80"],
    ["a health check of the proxy itself", SIGNATURE + "20" + "00" + "0000", undefined],
    ["a family without addresses for us", SIGNATURE + "21" + "00" + "0000", undefined],
  ])("%s", (_name, hex, remote) => {
    const bytes = bytesOf(hex);
    expect(readProxyHeader(bytes)).toEqual({ remote, bytes: bytes.length });
    expect(readProxyHeader(bytesOf(hex + "0200"))).toEqual({ remote, bytes: bytes.length });
    for (let cut = 0; cut < bytes.length; cut++) expect(readProxyHeader(bytes.subarray(0, cut))).toBe("more");
  });

  test.each([
    ["version 1", "50524f585920"],
    ["a frame", "0200000008"],
    ["an unknown command", SIGNATURE + "2211000c"],
    ["version 3", SIGNATURE + "3111000c"],
    ["addresses that are cut short", SIGNATURE + "2111000b" + "00".repeat(11)],
    ["a header of 64 KiB", SIGNATURE + "2111ffff"],
  ])("%s is refused", (_name, hex) => {
    expect(readProxyHeader(bytesOf(hex))).toBe("bad");
  });

  function open(cut: number) {
    const clock = new FakeClock();
    const [far, near] = pipe({ cut: () => cut });
    const told: string[] = [];
    let got = "";
    const owner: SocketEvents = {
      data: (bytes) => void (got += Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join("")),
      drained: () => {},
      closed: () => void told.push("closed"),
    };
    near.events = new ProxyOpening(near, connEnv({ clock }), (remote) => (told.push(`${remote}`), owner));
    let dropped = false;
    far.events = { data() {}, drained() {}, closed: () => void (dropped = true) };
    return { clock, far, told, got: () => got, dropped: () => dropped };
  }

  test.each([1, 5, 28, 100])("the owner begins behind the header, wherever the stream is cut (%d)", async (cut) => {
    const { far, told, got, clock } = open(cut);
    far.write(bytesOf(TCP4 + "0200000001" + "61"));
    await settle();
    expect([told, got()]).toEqual([["203.0.113.7:51235"], "020000000161"]);
    clock.advance(60_000);
    far.write(bytesOf("0900000000"));
    await settle();
    expect(got()).toBe("0200000001610900000000");
    far.end();
    await settle();
    expect(told).toEqual(["203.0.113.7:51235", "closed"]);
  });

  test("who does not send one is dropped, at once or after 5 s", async () => {
    const wrong = open(100);
    wrong.far.write(bytesOf("0200000001"));
    await settle();
    expect([wrong.dropped(), wrong.told]).toEqual([true, []]);
    const silent = open(100);
    silent.far.write(bytesOf(TCP4.slice(0, 20)));
    await settle();
    silent.clock.advance(4_900);
    await settle();
    expect(silent.dropped()).toBe(false);
    silent.clock.advance(400);
    await settle();
    expect([silent.dropped(), silent.told]).toEqual([true, []]);
  });
});
