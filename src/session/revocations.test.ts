import { expect, test } from "bun:test";
import { MOST_REVOCATIONS, type Revocation, Revocations } from "./revocations.ts";

const ann = { app: "kim", account: "ann", token: "a1" };

function revoked(...list: Revocation[]): Revocations {
  const one = new Revocations();
  one.replace(list, 100);
  return one;
}

test("a token is refused until its time, other tokens of the account are not", () => {
  const one = revoked({ token: "a1", until: 200 });
  expect(one.refuses(ann, 199.9)).toBe(true);
  expect(one.refuses({ ...ann, token: "a2" }, 150)).toBe(false);
  expect(one.refuses(ann, 200)).toBe(false);
});

test("an account is refused in its app, whatever the token", () => {
  const one = revoked({ app: "kim", account: "ann", until: 200 });
  expect(one.refuses(ann, 150)).toBe(true);
  expect(one.refuses({ ...ann, token: "new" }, 150)).toBe(true);
  expect(one.refuses({ ...ann, app: "other" }, 150)).toBe(false);
  expect(one.refuses({ ...ann, account: "bob" }, 150)).toBe(false);
});

test("what is over is dropped: from a new list, and when it is asked for", () => {
  const one = revoked({ token: "old", until: 100 }, { token: "a1", until: 200 });
  expect(one.size).toBe(1);
  expect(one.refuses(ann, 201)).toBe(false);
  expect(one.size).toBe(0);
});

test("a new list takes the old one's place", () => {
  const one = revoked({ token: "a1", until: 200 });
  one.replace([], 100);
  expect(one.refuses(ann, 150)).toBe(false);
});

test("no more are kept than the limit says", () => {
  const list = Array.from({ length: MOST_REVOCATIONS + 5 }, (_, at) => ({ token: `t${at}`, until: 200 }));
  expect(revoked(...list).size).toBe(MOST_REVOCATIONS);
});
