import { expect, test } from "bun:test";
import { CLI_COMMANDS, type CliCommand, runCommand } from "./command.ts";
import { printed } from "./printed.fixture.ts";

const asked: string[][] = [];
const FAKE: CliCommand[] = [
  { name: "dev", what: "Starts", load: () => Promise.resolve((args) => (asked.push(args), Promise.resolve(7))) },
  { name: "token", what: "Prints", load: () => Promise.reject(new Error("must not be loaded")) },
];

test.each([[["help"]], [["--help"]], [["-h"]]])("%j shows every command", async (args) => {
  const { code, out } = await printed(() => runCommand(args, FAKE));
  expect(code).toBe(0);
  for (const word of ["dev", "Starts", "token", "Prints", "help"]) expect(out).toContain(word);
});

test("no command at all shows the same, and is a mistake", async () => {
  const { code, out } = await printed(() => runCommand([], FAKE));
  expect(code).toBe(2);
  expect(out).toContain("Usage: petrel <command>");
});

test("a command gets the rest of the words, its number is the exit code, and nothing else is loaded", async () => {
  const { code } = await printed(() => runCommand(["dev", "--http", "x"], FAKE));
  expect(code).toBe(7);
  expect(asked.at(-1)).toEqual(["--http", "x"]);
});

test("help of a command is its own --help", async () => {
  await printed(() => runCommand(["help", "dev"], FAKE));
  expect(asked.at(-1)).toEqual(["--help"]);
  const { code } = await printed(() => runCommand(["help", "help"], FAKE));
  expect(code).toBe(0);
});

test.each([["tokn", "did you mean token?"], ["helpp", "did you mean help?"], ["frobnicate", "no command frobnicate"]])(
  "%s is no command",
  async (word, hint) => {
    const { code, out, err } = await printed(() => runCommand([word], FAKE));
    expect({ code, out }).toEqual({ code: 2, out: "" });
    expect(err).toContain(hint);
  },
);

test.each(CLI_COMMANDS.map(({ name }) => [name]))("petrel %s --help says what it does", async (name) => {
  const { code, out } = await printed(() => runCommand([name, "--help"]));
  expect(code).toBe(0);
  expect(out).toContain(`petrel ${name}`);
});

test.each([["version"], ["--version"], ["-v"]])("petrel %s names version and runtime", async (word) => {
  const { code, out } = await printed(() => runCommand([word]));
  expect(code).toBe(0);
  expect(out).toMatch(/^petrel \d+\.\d+\.\d+ \((bun|deno) \d/);
});
