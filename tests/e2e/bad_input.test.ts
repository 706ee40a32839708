import { afterAll, beforeAll, describe, test } from "bun:test";
import { frameAttacks } from "./bad_input_frames.ts";
import { loginAttacks } from "./bad_input_logins.ts";
import { requestAttacks } from "./bad_input_requests.ts";
import { attacks, Stand } from "./bad_input_stand.ts";

describe("while twenty pairs talk", () => {
  let stand: Stand;
  beforeAll(async () => {
    stand = await Stand.start({ deadlines: { loginWaitMs: 2_000, oldestMs: 2_000 } });
  }, 20_000);
  afterAll(() => stand[Symbol.asyncDispose]());
  const attack = attacks(() => stand);

  frameAttacks(attack);
  loginAttacks(attack);
  requestAttacks(attack);

  test("over everything: nothing lost, and replies as quick as ever", () => stand.judge(), 20_000);
});
