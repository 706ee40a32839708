import { expect, test } from "bun:test";
import { writeFileSync } from "node:fs";
import { systemClock } from "../base/clock.ts";
import { tempDir } from "../../tests/support/temp.ts";
import { printed } from "./printed.fixture.ts";
import { readRevocations, revocationFile, tokenHash } from "./revocation_file.ts";
import { revokeMain } from "./revoke.ts";
import { signToken } from "./token.ts";

const now = () => systemClock.now() / 1000;
const TOKEN = signToken("ann", "kim", 1, "any secret");

test("a token is revoked until it expires, listed by its hash, and let in again by either", async () => {
  await using dir = await tempDir();
  const revoke = (...args: string[]) => printed(() => revokeMain([...args, "--data", dir.path]));
  const { code, out } = await revoke("--token", TOKEN);
  expect(code).toBe(0);
  expect(out).toContain(`token with SHA-256 ${tokenHash(TOKEN)}, until 20`);
  expect(out).not.toContain(TOKEN);
  const [one] = readRevocations(revocationFile(dir.path));
  expect(Math.abs(one!.until - now() - 24 * 3600)).toBeLessThan(10);
  await revoke("--token", TOKEN);
  expect((await revoke("--list")).out.split("\n").length).toBe(1);
  expect((await revoke("--undo", "--token", tokenHash(TOKEN))).code).toBe(0);
  expect((await revoke("--list")).out).toBe("Nothing is revoked");
  expect(await revoke("--undo", "--token", TOKEN)).toMatchObject({ code: 1 });
});

test.each([
  [["--for", "90s"], 90],
  [["--for", "15m"], 900],
  [["--for", "2h"], 7200],
  [["--for", "7d"], 7 * 86_400],
  [["--until", String(Math.floor(now()) + 500)], 500],
  [["--until", new Date(systemClock.now() + 500_000).toISOString()], 500],
])("an account is revoked with %p, in its app", async (time, seconds) => {
  await using dir = await tempDir();
  const { code } = await printed(() => revokeMain(["--account", "bob", "--app", "shop", ...time, "--data", dir.path]));
  expect(code).toBe(0);
  const [one] = readRevocations(revocationFile(dir.path));
  expect(one).toMatchObject({ app: "shop", account: "bob" });
  expect(Math.abs(one!.until - now() - seconds)).toBeLessThan(10);
});

test("a second revocation of an account takes the first one's place, and what is over is dropped", async () => {
  await using dir = await tempDir();
  const file = revocationFile(dir.path);
  const revoke = (...args: string[]) => printed(() => revokeMain([...args, "--data", dir.path]));
  await revoke("--account", "bob", "--for", "1h");
  writeFileSync(
    file,
    JSON.stringify({ revoked: [...readRevocations(file), { app: "kim", account: "old", until: 5 }] }),
  );
  await revoke("--account", "bob", "--for", "2h");
  const all = readRevocations(file);
  expect(all.length).toBe(1);
  expect(all[0]!.until - now()).toBeGreaterThan(7000);
});

test.each([
  ["Give one of --token, --account and --list", []],
  ["Give one of --token, --account and --list", ["--token", TOKEN, "--account", "ann"]],
  ["Say how long: --for or --until", ["--account", "ann"]],
  ["Say how long: --for or --until", ["--account", "ann", "--for", "1h", "--until", "5"]],
  ["like 2026-12-24T18:00:00Z", ["--account", "ann", "--until", "2020-01-01"]],
  ['--for is "soon": expected a time in the next ten years', ["--account", "ann", "--for", "soon"]],
  ['--for is "0s": expected a time', ["--account", "ann", "--for", "0s"]],
  ['--until is "1": expected a time', ["--account", "ann", "--until", "1"]],
  ['--until is "tomorrow": expected a time', ["--account", "ann", "--until", "tomorrow"]],
  ['--account is "a b": expected a name', ["--account", "a b", "--for", "1h"]],
  ['--app is "a|b": expected a name', ["--account", "ann", "--app", "a|b", "--for", "1h"]],
  ["--token is no login token", ["--token", "abc"]],
  ["--token is no login token", ["--token", "a.b.c"]],
  ["--for and --until are for accounts", ["--token", TOKEN, "--for", "1h"]],
  ["The token has expired already", ["--token", signToken("ann", "kim", -1, "x")]],
  ["--list goes alone", ["--list", "--account", "ann"]],
  ["--undo takes no value", ["--undo=1", "--account", "ann"]],
  ["Unknown option --acount", ["--acount", "ann"]],
])("%s: is said, and nothing is written", async (problem, args) => {
  await using dir = await tempDir();
  const { code, out, err } = await printed(() => revokeMain([...args, "--data", dir.path]));
  expect([code, out]).toEqual([2, ""]);
  expect(err).toContain(problem);
  expect(readRevocations(revocationFile(dir.path))).toEqual([]);
});

test("a data folder that is not there is a problem: nobody would read what is written", async () => {
  await using dir = await tempDir();
  const { code, err } = await printed(() => revokeMain(["--list", "--data", dir.in("nowhere")]));
  expect(code).toBe(2);
  expect(err).toContain(`No data folder ${dir.in("nowhere")}`);
});
