import { expect, test } from "bun:test";
import { statSync, utimesSync, writeFileSync } from "node:fs";
import { systemClock } from "../base/clock.ts";
import { ImError } from "../base/errors.ts";
import { FakeClock } from "../base/fake_clock.ts";
import { type Logger, silent } from "../base/logger.ts";
import { MOST_REVOCATIONS, type Revocation } from "../session/revocations.ts";
import { tempDir } from "../../tests/support/temp.ts";
import {
  changeRevocations,
  openRevocationFile,
  readRevocations,
  revocationFile,
  tokenHash,
} from "./revocation_file.ts";

const ONE = { token: tokenHash("t"), until: 2_000_000_000 };
const TWO = { app: "kim", account: "ann", until: 2_000_000_000 };

const add = (file: string, ...more: Revocation[]) => changeRevocations(file, systemClock, (all) => [...all, ...more]);

function fault(run: () => unknown): string {
  try {
    run();
  } catch (thrown) {
    const error = ImError.from(thrown);
    expect(error.code).toBe("CONFIG");
    return error.message;
  }
  throw new Error("nothing was thrown");
}

test("what is written is read, and only the owner may read it", async () => {
  await using dir = await tempDir();
  const file = revocationFile(dir.path);
  expect(readRevocations(file)).toEqual([]);
  add(file, ONE);
  add(file, TWO);
  expect(readRevocations(file)).toEqual([ONE, TWO]);
  expect(statSync(file).mode & 0o777).toBe(0o600);
  changeRevocations(file, systemClock, () => []);
  expect(readRevocations(file)).toEqual([]);
});

test("a token's hash is the SHA-256 of its text", () => {
  expect(tokenHash("abc")).toBe("ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
});

test.each([
  ["no JSON", "{", "not JSON"],
  ["a list", "[]", 'expected {"revoked":[…]}'],
  ["no list inside", '{"revoked":{}}', 'expected {"revoked":[…]}'],
  ["a short hash", '{"revoked":[{"token":"ab","until":1}]}', "entry 0 is neither"],
  ["a name with a space", '{"revoked":[{"app":"kim","account":"a b","until":1}]}', "entry 0 is neither"],
  ["no time", `{"revoked":[{"token":"${ONE.token}"}]}`, "entry 0 is neither"],
  ["both kinds", `{"revoked":[{"token":"${ONE.token}","app":"k","account":"a","until":1}]}`, "entry 0 is neither"],
  ["null", '{"revoked":[null]}', "entry 0 is neither"],
  ["too many", JSON.stringify({ revoked: new Array(MOST_REVOCATIONS + 1).fill(ONE) }), "limit is 10000"],
  ["too large", " ".repeat((4 << 20) + 1), "limit is 4194304"],
])("%s is refused with the reason, and never overwritten", async (_, text, why) => {
  await using dir = await tempDir();
  const file = revocationFile(dir.path);
  writeFileSync(file, text);
  expect(fault(() => readRevocations(file))).toContain(`Cannot read ${file}: `);
  expect(fault(() => add(file, ONE))).toContain(why);
  expect(fault(() => openRevocationFile(file, systemClock, silent))).toContain(why);
  expect(statSync(file).size).toBe(new TextEncoder().encode(text).length);
});

test("a full list takes no more, and stays", async () => {
  await using dir = await tempDir();
  const file = revocationFile(dir.path);
  add(file, ...Array.from({ length: MOST_REVOCATIONS }, () => ONE));
  expect(fault(() => add(file, TWO))).toContain("Cannot revoke more");
  expect(readRevocations(file).length).toBe(MOST_REVOCATIONS);
  changeRevocations(file, systemClock, () => [TWO]); // nothing was left locked
  expect(readRevocations(file)).toEqual([TWO]);
});

test("a file that another process writes is not touched; one that it left behind does not matter", async () => {
  await using dir = await tempDir();
  const file = revocationFile(dir.path);
  writeFileSync(`${file}.new`, "");
  expect(fault(() => add(file, ONE))).toContain("another petrel revoke is writing it");
  utimesSync(`${file}.new`, 1, 1);
  add(file, ONE);
  expect(readRevocations(file)).toEqual([ONE]);
});

test("a change is seen within 2 s; a broken file is logged once and changes nothing; mended it counts", async () => {
  await using dir = await tempDir();
  const file = revocationFile(dir.path);
  add(file, ONE);
  const clock = new FakeClock();
  const errors: unknown[] = [];
  const log: Logger = { ...silent, error: (_message, facts) => void errors.push(facts?.["error"]) };
  const seen: (readonly Revocation[])[] = [];
  const watch = openRevocationFile(file, clock, log).watch((list) => void seen.push(list));
  expect(seen).toEqual([[ONE]]);
  clock.advance(10_000);
  expect(seen.length).toBe(1);
  add(file, TWO);
  clock.advance(2_000);
  expect(seen[1]).toEqual([ONE, TWO]);
  writeFileSync(file, "{");
  clock.advance(6_000);
  expect(seen.length).toBe(2);
  expect(errors.map(String)).toEqual([`ImError: Cannot read ${file}: not JSON`]);
  writeFileSync(file, JSON.stringify({ revoked: [TWO] }));
  clock.advance(2_000);
  expect(seen[2]).toEqual([TWO]);
  watch.stop();
  writeFileSync(file, '{"revoked":[]}');
  clock.advance(10_000);
  expect(seen.length).toBe(3);
});
