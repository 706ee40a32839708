import { expect, test } from "bun:test";
import { CLOSE } from "../protocol/close_reason.ts";
import { peerReason, peerText } from "./peer_reason.ts";
import { ipOf, remoteOf } from "./remote.ts";

test.each(
  [
    ["203.0.113.7", 51234, "203.0.113.7:51234", "203.0.113.7"],
    ["::1", 80, "[::1]:80", "::1"],
    ["2001:db8::1", 1, "[2001:db8::1]:1", "2001:db8::1"],
    ["::ffff:192.0.2.1", 9, "192.0.2.1:9", "192.0.2.1"],
  ],
)("the peer %s port %d is written %s", (address, port, remote, ip) => {
  expect(remoteOf(address, port)).toBe(remote);
  expect(ipOf(remote)).toBe(ip);
});

test("a close code and text of our table is that very row", () => {
  for (const row of Object.values(CLOSE)) {
    expect(peerReason(row.code, row.reason)).toBe(row);
    expect(peerReason(row.code, "")).toBe(row);
    expect(peerText(row.reason)).toBe(row);
  }
});

test.each(
  [
    [1001, "", true],
    [1012, "restart", true],
    [1005, "", false],
    [1008, "policy", false],
    [3000, "", false],
    [4001, "other words", true],
    [4321, "", true],
    [4700, "", false],
  ],
)("a peer's code %d with %j says reconnect: %j", (code, reason, reconnect) => {
  expect(peerReason(code, reason)).toEqual({ code, reason, reconnect });
});

test("a text that is not ours is kept, without a wish to come back", () => {
  expect(peerText("channelId is repeated")).toEqual({ code: 1005, reason: "channelId is repeated", reconnect: false });
});
