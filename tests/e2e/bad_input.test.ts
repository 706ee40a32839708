import { afterAll, beforeAll, describe, test } from "bun:test";
import { contentAttacks } from "./bad_input_contents.ts";
import { diskAttacks } from "./bad_input_disk.ts";
import { frameAttacks } from "./bad_input_frames.ts";
import { DEADLINES, loadAttacks } from "./bad_input_load.ts";
import { loginAttacks } from "./bad_input_logins.ts";
import { requestAttacks } from "./bad_input_requests.ts";
import { attacks, Stand } from "./bad_input_stand.ts";

describe("while twenty pairs talk", () => {
  let stand: Stand;
  beforeAll(async () => {
    stand = await Stand.start({ deadlines: DEADLINES });
  }, 20_000);
  afterAll(() => stand[Symbol.asyncDispose]());
  const attack = attacks(() => stand);

  frameAttacks(attack);
  loginAttacks(attack);
  requestAttacks(attack);
  contentAttacks(attack);
  diskAttacks(attack); // before the floods: what a refused commit costs grows with what waits in the store
  loadAttacks(attack);

  test("over everything: nothing lost, and nobody stood still", () => stand.judge(), 20_000);
});
