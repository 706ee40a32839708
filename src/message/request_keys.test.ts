import { describe, expect, test } from "bun:test";
import { RequestKeys } from "./request_keys.ts";

const key = (scope: string, n: number, low = 0) => ({ scope, n, low });

describe("RequestKeys", () => {
  test("gives the first answer of a request that comes again", () => {
    const keys = new RequestKeys<string>();
    keys.add(key("a", 1), "one", 0);
    keys.add(key("b", 1), "other scope", 0);
    expect(keys.find(key("a", 1))).toBe("one");
    expect(keys.find(key("a", 2))).toBeUndefined();
    expect(keys.find(key("c", 1))).toBeUndefined();
  });

  test("drops what is below low, and knows that it was answered", () => {
    const keys = new RequestKeys<string>();
    for (let n = 1; n <= 5; n++) keys.add(key("a", n), `answer ${n}`, 0);
    keys.add(key("a", 6, 4), "answer 6", 0);
    expect(keys.find(key("a", 3))).toBe("answered");
    expect(keys.find(key("a", 4))).toBe("answer 4");
    expect(keys.size).toBe(3);
  });

  test("forgets a scope that was silent for ten minutes", () => {
    const keys = new RequestKeys<string>(100);
    keys.add(key("silent", 1), "one", 0);
    keys.add(key("busy", 1), "one", 50);
    keys.add(key("busy", 2), "two", 101);
    expect(keys.find(key("silent", 1))).toBeUndefined();
    expect(keys.find(key("busy", 1))).toBe("one");
  });

  test("keeps a scope that was used since it was placed", () => {
    const keys = new RequestKeys<string>(100);
    keys.add(key("a", 1), "one", 0);
    keys.add(key("a", 2), "two", 90);
    keys.add(key("b", 1), "one", 120);
    expect(keys.find(key("a", 1))).toBe("one");
    keys.add(key("b", 2), "two", 230);
    expect(keys.find(key("a", 1))).toBeUndefined();
    expect(keys.find(key("b", 1))).toBe("one");
  });

  test("is bounded: the scope that was placed first goes, unless it was used", () => {
    const keys = new RequestKeys<string>(600_000, 10);
    for (let n = 0; n < 50; n++) {
      keys.add(key("steady", n, n), "", n);
      keys.add(key(`scope ${n}`, 1), "", n);
    }
    expect(keys.size).toBeLessThanOrEqual(10);
    expect(keys.find(key("scope 49", 1))).toBe("");
    expect(keys.find(key("steady", 49))).toBe("");
    expect(keys.find(key("scope 30", 1))).toBeUndefined();
  });

  test("an answer that was taken back is new again", () => {
    const keys = new RequestKeys<string>();
    keys.add(key("a", 1), "one", 0);
    keys.forget(key("a", 1));
    keys.forget(key("a", 1));
    expect(keys.find(key("a", 1))).toBeUndefined();
    expect(keys.size).toBe(0);
  });
});
