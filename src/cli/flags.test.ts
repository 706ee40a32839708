import { expect, test } from "bun:test";
import { flagsHelp, readFlags } from "./flags.ts";

const FLAGS = [
  { name: "account", value: "name", help: "Whom it is for" },
  { name: "days", value: "number", help: "How long", preset: "1" },
] as const;

test("values are read as --name value and as --name=value; presets fill the rest", () => {
  expect(readFlags(["--account", "ann"], FLAGS)).toEqual({ kind: "values", values: { account: "ann", days: "1" } });
  expect(readFlags(["--account=--ann", "--days", "-3"], FLAGS)).toEqual({
    kind: "values",
    values: { account: "--ann", days: "-3" },
  });
});

test("--help wins over everything", () => {
  expect(readFlags(["--bogus", "--help"], FLAGS)).toEqual({ kind: "help" });
});

test("everything that is wrong is told at once", () => {
  expect(readFlags(["ann", "--acount", "x", "--days", "--account=x"], FLAGS)).toEqual({
    kind: "problems",
    problems: [
      "Unexpected argument ann",
      "Unknown option --acount: did you mean --account?",
      "--days needs a value",
    ],
  });
});

test("the help names every flag with its default", () => {
  expect(flagsHelp(FLAGS)).toBe(
    "  --account <name>  Whom it is for\n  --days <number>   How long (default 1)\n  --help            This text",
  );
});
