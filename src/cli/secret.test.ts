import { readdirSync, readFileSync, statSync, writeFileSync } from "node:fs";
import { expect, test } from "bun:test";
import { tempDir } from "../../tests/support/temp.ts";
import { keepSecret } from "./secret.ts";

const random = (count: number) => new Uint8Array(count).fill(0xab);

test("a secret is made once, for the owner's eyes, and nothing else is left in the folder", async () => {
  await using dir = await tempDir();
  const data = dir.in("data");
  const made = keepSecret(data, random, true);
  expect(made).toBe("ab".repeat(32));
  expect(keepSecret(data, (count) => new Uint8Array(count), true)).toBe(made);
  expect(readdirSync(data)).toEqual(["token.secret"]);
  expect(statSync(`${data}/token.secret`).mode & 0o777).toBe(0o600);
});

test("an empty file is no secret: another one is made", async () => {
  await using dir = await tempDir();
  writeFileSync(dir.in("token.secret"), "\n");
  expect(keepSecret(dir.in("."), random, true)).toBe("ab".repeat(32));
  expect(readFileSync(dir.in("token.secret"), "utf8")).toBe("ab".repeat(32) + "\n");
});

test("a short secret in the folder is taken on localhost only", async () => {
  await using dir = await tempDir();
  writeFileSync(dir.in("token.secret"), "short\n");
  expect(keepSecret(dir.in("."), random, false)).toBe("short");
  expect(() => keepSecret(dir.in("."), random, true)).toThrow(/^Cannot use the token secret in .*: expected 32 bytes/);
});

test("a data folder that is a file is told so", async () => {
  await using dir = await tempDir();
  writeFileSync(dir.in("data"), "");
  expect(() => keepSecret(dir.in("data"), random, false)).toThrow(/: it is a file, expected a folder$/);
});
