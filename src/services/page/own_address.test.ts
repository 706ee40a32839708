import { expect, test } from "bun:test";
import { notOurs } from "./own_address.ts";

const at = (host?: string, origin?: string, site?: string) => ({ host, origin, site });

test.each(
  [
    ["our page", at("localhost:8000", "http://localhost:8000", "same-origin")],
    ["a program", at("127.0.0.1:8000")],
    ["an address cannot be rebound", at("192.168.1.7:8000", "http://192.168.1.7:8000")],
    ["IPv6", at("[::1]:8000", "http://[::1]:8000")],
    ["the name we listen on", at("chat.example", "https://chat.example")],
    ["behind TLS of somebody else", at("localhost:8000", "https://localhost:8000")],
    ["a name below localhost", at("petrel.localhost:8000", "http://petrel.localhost:8000")],
    ["written otherwise", at("LOCALHOST:8000", "http://localhost:8000")],
  ] as const,
)("ours: %s", (_, asker) => {
  expect(notOurs(asker, "chat.example")).toBeUndefined();
});

test.each(
  [
    ["no host", at()],
    ["a rebound name", at("evil.example:8000", "http://evil.example:8000", "same-origin")],
    ["a name that only ends like ours", at("evil-localhost:8000")],
    ["another page", at("localhost:8000", "http://evil.example")],
    ["a page on another port", at("localhost:8000", "http://localhost:9000", "same-site")],
    ["a page without an origin", at("localhost:8000", "null")],
    ["a page that hides its origin", at("localhost:8000", undefined, "cross-site")],
    ["no host name at all", at(":8000")],
    ["an origin with a path", at("localhost:8000", "http://localhost:8000/x")],
  ] as const,
)("not ours: %s", (_, asker) => {
  expect(notOurs(asker, "chat.example")).toBeDefined();
});
