import { type AddressInfo, createServer } from "node:net";
import { expect, test } from "bun:test";
import { freePort } from "../../tests/support/free_port.ts";
import { whyFailed } from "./failed_request.ts";

test("a port where nobody listens reads the same, however a runtime says it", () => {
  const bun = Object.assign(new Error("Unable to connect. Is the computer able to access the url?"), {
    code: "ECONNREFUSED",
  });
  const deno = new TypeError("fetch failed", {
    cause: new Error("client error (Connect): tcp connect error: Connection refused (os error 111)"),
  });
  expect([bun, deno].map(whyFailed)).toEqual(["nobody answers there", "nobody answers there"]);
});

test("anything else is told with its code and its causes, up to a length", () => {
  const cause = Object.assign(new Error("no such host"), { code: "ENOTFOUND" });
  expect(whyFailed(new Error("fetch failed", { cause }))).toBe("fetch failed (no such host ENOTFOUND)");
  expect(whyFailed(new Error("", { cause: 7 }))).toBe("Error");
  expect(whyFailed("gone")).toBe("gone");
  expect(whyFailed(new Error("x".repeat(1_000))).length).toBe(160);
});

test("what really happens at a closed port", async () => {
  const thrown = await fetch(`http://127.0.0.1:${await freePort()}/`).catch((error: unknown) => error);
  expect(whyFailed(thrown)).toBe("nobody answers there");
});

test("what really happens when the other side closes without an answer", async () => {
  for (const close of ["end", "resetAndDestroy"] as const) {
    const server = createServer((socket) => void socket.once("data", () => socket[close]()));
    await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
    const { port } = server.address() as AddressInfo;
    const thrown = await fetch(`http://127.0.0.1:${port}/`).catch((error: unknown) => error);
    expect(whyFailed(thrown)).toBe("the connection broke");
    await new Promise((resolve) => server.close(resolve));
  }
});
