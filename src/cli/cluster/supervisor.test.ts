import { expect, test } from "bun:test";
import * as runtime from "#runtime";
import { tempDir } from "../../../tests/support/temp.ts";
import { ClusterLines } from "./lines.ts";
import type { Place } from "./plan.ts";
import { Supervisor } from "./supervisor.ts";

test("a data folder that cannot be written to ends no process: it is said once", async () => {
  await using folder = await tempDir();
  const said: string[] = [];
  const lines = new ClusterLines(["one"], false, (text) => void said.push(text));
  const place: Place = {
    ...{ role: "router", name: "one", stage: 0, sideBySide: true, rolls: true },
    run: () => ({ args: ["no-such-command"], env: {}, readyUrl: "http://127.0.0.1:9/ready", urls: {} }),
  };
  const { randomBytes } = runtime;
  const supervisor = new Supervisor({ data: folder.in("gone"), places: [place], lines, randomBytes });
  await expect(supervisor.start()).rejects.toThrow("Cannot start one: it ended with code");
  expect(said.filter((text) => text.includes("cannot be written down")).length).toBe(1);
  await supervisor.stop();
});
