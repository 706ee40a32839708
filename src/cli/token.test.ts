import { expect, test } from "bun:test";
import { writeFile } from "node:fs/promises";
import { hmacSha256 } from "#runtime";
import { systemClock } from "../base/clock.ts";
import { readToken } from "../protocol/claims.ts";
import { tempDir } from "../../tests/support/temp.ts";
import { printed } from "./printed.fixture.ts";
import { findSecret, tokenMain } from "./token.ts";

const SECRET = "a secret of thirty-two bytes, or more";
const hmac = hmacSha256(SECRET);
const nowSeconds = () => systemClock.now() / 1000;

test("petrel token prints a token that the server takes, and nothing else", async () => {
  const { code, out } = await printed(() => tokenMain(["--account", "ann", "--secret", SECRET]));
  expect(code).toBe(0);
  const claims = readToken(out, nowSeconds(), hmac);
  expect(claims).toMatchObject({ acc: "ann", app: "kim" });
  expect(Math.abs(claims.exp - nowSeconds() - 24 * 3600)).toBeLessThan(10);
});

test("app and days are taken from the flags, the secret from the data folder of petrel dev", async () => {
  await using dir = await tempDir();
  await writeFile(dir.in("token.secret"), SECRET + "\n");
  const args = ["--account", "ann", "--app", "shop", "--days", "0.5", "--data", dir.path];
  const { out } = await printed(() => tokenMain(args));
  const claims = readToken(out, nowSeconds(), hmac);
  expect(claims.app).toBe("shop");
  expect(Math.abs(claims.exp - nowSeconds() - 12 * 3600)).toBeLessThan(10);
});

test("PETREL_TOKEN_SECRET wins over the data folder; no secret is told with what to do", async () => {
  await using dir = await tempDir();
  expect(findSecret(dir.path, {})).toBeUndefined();
  await writeFile(dir.in("token.secret"), SECRET + "\n");
  expect(findSecret(dir.path, {})).toBe(SECRET);
  expect(findSecret(undefined, { PETREL_DATA: dir.path })).toBe(SECRET);
  expect(findSecret(dir.path, { PETREL_TOKEN_SECRET: "other" })).toBe("other");
});

test.each([
  [["--secret", "x"], "--account is missing"],
  [["--account", "a b", "--secret", "x"], '--account is "a b": expected a name'],
  [["--account", "ann", "--app", "a/b", "--secret", "x"], '--app is "a/b": expected a name'],
  [["--account", "ann", "--days", "0", "--secret", "x"], '--days is "0": expected a number'],
  [["--account", "ann", "--days", "soon", "--secret", "x"], '--days is "soon": expected a number'],
  [["--account", "ann", "--data", "/nonexistent"], "start `petrel dev` first, or give --secret"],
  [["--acount", "ann"], "did you mean --account?"],
])("%j is refused in words, exit code 2", async (args, hint) => {
  const { code, out, err } = await printed(() => tokenMain(args));
  expect({ code, out }).toEqual({ code: 2, out: "" });
  expect(err).toContain(hint);
  expect(err).toContain("petrel token --help");
});
