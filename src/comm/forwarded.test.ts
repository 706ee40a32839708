import { describe, expect, test } from "bun:test";
import { behindProxies, clientBehind } from "./forwarded.ts";
import { parseIp, parseIpRanges } from "./ip_range.ts";
import type { HttpEnv } from "./ports.ts";

const trusted = parseIpRanges("127.0.0.1, 10.0.0.0/8,2001:db8:1::/48, ::1, unix")!;

describe("IP ranges", () => {
  test.each([
    ["192.0.2.1", [192, 0, 2, 1]],
    ["::ffff:192.0.2.1", [192, 0, 2, 1]],
    ["::", new Array(16).fill(0)],
    ["1::2", [0, 1, ...new Array(13).fill(0), 2]],
    ["1:2:3:4:5:6:7:8", [0, 1, 0, 2, 0, 3, 0, 4, 0, 5, 0, 6, 0, 7, 0, 8]],
  ])("%s is an address", (text, bytes) => expect(parseIp(text)).toEqual(bytes));

  test.each([
    ..."|1.2.3|1.2.3.4.5|1.2.3.256|01.2.3.4|1.2.3.4:5|::1%eth0|1::2::3|12345::|1:2:3:4:5:6:7|g::|[::1]|::1.2.3|unix|x"
      .split("|"),
    `${"1:".repeat(40)}1`,
  ])("%j is none", (text) => expect(parseIp(text)).toBe(undefined));

  test.each([
    ["10.255.0.1", true],
    ["11.0.0.1", false],
    ["::ffff:10.0.0.1", true],
    ["2001:db8:1:ffff::1", true],
    ["2001:db8:2::1", false],
    ["::1", true],
    ["unix", true],
    ["nonsense", false],
  ])("%s among them: %p", (ip, among) => expect(trusted(ip)).toBe(among));

  test("a range may end inside a byte, and 0 bits are everything of its family", () => {
    const some = parseIpRanges("172.16.0.0/12,fc00::/7")!;
    expect(["172.31.255.255", "172.32.0.0", "fdff::1", "fe00::1"].map(some)).toEqual([true, false, true, false]);
    expect(["1.2.3.4", "::2"].map(parseIpRanges("0.0.0.0/0")!)).toEqual([true, false]);
  });

  test.each(["", "10.0.0.0/33", "::/129", "10.0.0.0/", "10.0.0.0/8,", "10.0.0.0/-1", "localhost"])(
    "%j is no list",
    (list) => expect(parseIpRanges(list)).toBe(undefined),
  );
});

describe("X-Forwarded-For", () => {
  test.each([
    ["198.51.100.1:5", "203.0.113.7", "198.51.100.1:5"], // nobody asked this peer
    ["127.0.0.1:5", null, "127.0.0.1:5"],
    ["127.0.0.1:5", "203.0.113.7", "203.0.113.7:0"],
    ["127.0.0.1:5", "203.0.113.7:4711", "203.0.113.7:4711"],
    ["127.0.0.1:5", "6.6.6.6, 203.0.113.7", "203.0.113.7:0"], // what the client claims itself is on the left
    ["127.0.0.1:5", "6.6.6.6, 203.0.113.7, 10.1.1.1,10.2.2.2", "203.0.113.7:0"],
    ["127.0.0.1:5", "10.3.3.3, 10.1.1.1", "10.3.3.3:0"],
    ["[::1]:5", "2001:DB8::7", "[2001:db8::7]:0"],
    ["[::1]:5", "[2001:db8::7]", "[2001:db8::7]:0"],
    ["[::1]:5", '"[2001:db8::7]:4711"', "[2001:db8::7]:4711"],
    ["[::1]:5", "::ffff:203.0.113.7", "203.0.113.7:0"],
    ["unix", "203.0.113.7", "203.0.113.7:0"],
    ["unix", null, "unix"],
    ["127.0.0.1:5", "203.0.113.7, unknown", "127.0.0.1:5"],
    ["127.0.0.1:5", "203.0.113.7, garbage, 10.1.1.1", "10.1.1.1:0"],
    ["127.0.0.1:5", "203.0.113.7,,", "127.0.0.1:5"],
    ["127.0.0.1:5", "203.0.113.7, unix", "127.0.0.1:5"], // nobody can claim to be on our unix socket
    ["127.0.0.1:5", "203.0.113.7:99999", "127.0.0.1:5"],
    ["127.0.0.1:5", "<script>", "127.0.0.1:5"],
    ["127.0.0.1:5", ",".repeat(8_000), "127.0.0.1:5"],
  ])("%s and %j: the client is %s", (peer, header, client) => {
    expect(clientBehind(peer, header, trusted)).toBe(client);
  });

  const seen = async (peer: string, headers: Record<string, string>, secure = false) => {
    const env: HttpEnv = {
      remote: `${peer}:5`,
      remoteIp: peer,
      secure,
      upgrade: () => new Response("upgraded"),
    };
    const fetch = behindProxies(trusted, async (request, inner) => {
      const upgraded = await inner.upgrade(request, () => ({}) as never).text();
      return new Response(`${inner.remoteIp} ${inner.remote} ${inner.secure} ${upgraded}`);
    });
    return await (await fetch(new Request("http://x/", { headers }), env)).text();
  };

  test("routes see the client, and upgrades still go to the runtime", async () => {
    const headers = { "x-forwarded-for": "203.0.113.7:9", "x-forwarded-proto": "https" };
    expect(await seen("127.0.0.1", headers)).toBe("203.0.113.7 203.0.113.7:9 true upgraded");
    expect(await seen("198.51.100.1", headers)).toBe("198.51.100.1 198.51.100.1:5 false upgraded");
  });

  test("X-Forwarded-Proto: the first one, and only if it is a scheme", async () => {
    const secure = async (proto: string, own: boolean) =>
      (await seen("127.0.0.1", { "x-forwarded-proto": proto }, own)).split(" ")[2] === "true";
    expect(
      await Promise.all([
        secure("https, http", false),
        secure("WSS", false),
        secure("http", true),
        secure("junk", true),
        secure("junk", false),
      ]),
    ).toEqual([true, true, false, true, false]);
  });
});
