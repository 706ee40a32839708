import { expect, test } from "bun:test";
import { existsSync, writeFileSync } from "node:fs";
import { tempDir } from "../../../tests/support/temp.ts";
import { environmentFile, removeState, stateFile, writeEnvironment, writeState } from "./state_file.ts";

test("what another cluster of the folder wrote meanwhile stays", async () => {
  await using folder = await tempDir();
  const data = folder.path;
  const there = () => [stateFile(data), environmentFile(data)].map(existsSync);
  writeEnvironment(data, { A: "1" });
  writeState(data, []);
  removeState(data);
  expect(there()).toEqual([false, false]);
  writeEnvironment(data, { A: "1" });
  writeState(data, []);
  writeFileSync(stateFile(data), JSON.stringify({ pid: 1 }));
  removeState(data);
  expect(there()).toEqual([true, true]);
});
