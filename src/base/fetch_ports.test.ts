import { expect, test } from "bun:test";
import { isBlockedByFetch } from "./fetch_ports.ts";

test("ports that fetch refuses", () => {
  for (const port of [0, 1, 22, 4045, 5060, 5061, 6000, 6665, 6667, 6669, 10080]) {
    expect([port, isBlockedByFetch(port)]).toEqual([port, true]);
  }
  for (const port of [80, 443, 8000, 8001, 8103, 4044, 6664, 6670, 10081]) {
    expect([port, isBlockedByFetch(port)]).toEqual([port, false]);
  }
});
