import { expect, test } from "bun:test";
import { flagCommand } from "./flag_command.ts";
import { printed } from "./printed.fixture.ts";

const double = flagCommand({
  name: "double",
  help: "petrel double: counts\n",
  flags: [{ name: "number", value: "n", help: "Which one" }],
  read({ number = "" }, problems) {
    if (!/^\d+$/.test(number)) problems.push("--number is no number");
    return { number: Number(number) };
  },
  run({ number }) {
    console.log(`${2 * number}`);
    return Promise.resolve(number === 0 ? 1 : 0);
  },
});

const run = (...args: string[]) => printed(() => double(args));

test("a command runs with what its flags say, and gives its own exit code", async () => {
  expect(await run("--number", "21")).toMatchObject({ code: 0, out: expect.stringContaining("42") });
  expect(await run("--number", "0")).toMatchObject({ code: 1 });
});

test("what is wrong is said, and nothing runs", async () => {
  const wrong = await run("--number", "x");
  expect(wrong).toMatchObject({ code: 2, out: "" });
  expect(wrong.err).toContain("--number is no number");
  expect(wrong.err).toContain("petrel double --help lists all options");
  expect((await run("--numbr", "1")).err).toContain("Unknown option --numbr: did you mean --number?");
});

test("--help wins over what is wrong", async () => {
  const { code, out } = await run("--help", "--numbr");
  expect(code).toBe(0);
  expect(out).toMatch(/petrel double: counts\n\n {2}--number <n> {2}Which one/);
});
