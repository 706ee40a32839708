import { expect, test } from "bun:test";
import { FakeClock } from "../../../base/fake_clock.ts";
import { ImError } from "../../../base/errors.ts";
import { silent } from "../../../base/logger.ts";
import { type RoomChanged, RoomChanges } from "../../../message/room_changes.ts";
import { RoomWatch } from "./watch.ts";

test("a change of a large group that gateways could not be told of is told later, in order", async () => {
  const clock = new FakeClock();
  const changes = new RoomChanges("list");
  const told: string[] = [];
  let works = true;
  const changed = ({ group }: RoomChanged): Promise<void> => {
    if (!works && group === "g2") return Promise.reject(new ImError("SYSTEM", "Cannot look up"));
    told.push(group);
    return Promise.resolve();
  };
  const after500ms = async () => {
    clock.advance(500);
    for (let turn = 0; turn < 20; turn++) await Promise.resolve();
  };
  using _watch = new RoomWatch({
    clock,
    log: silent,
    since: (after) => Promise.resolve(changes.since(after)),
    changed,
  });
  await after500ms();
  works = false;
  for (const group of ["g1", "g2", "g3"]) {
    changes.add({ app: "kim", group, accounts: ["ann"], joined: true, seq: 0, becameLarge: false });
  }
  await after500ms();
  expect(told).toEqual(["g1"]);
  works = true;
  await after500ms();
  expect(told).toEqual(["g1", "g1", "g2", "g3"]);
  await after500ms();
  expect(told.length).toBe(4);
});
