/**
 * What our tests use of `bun:test`, for Deno: `node:test` with npm `expect`. deno.json maps `bun:test` to this file.
 * Not here on purpose: mocks, fake time, snapshots, `expect.extend`, `describe.skip` (Bun prints nothing for it).
 */
import * as node from "node:test";
import { DEFAULT_TIMEOUT_MS } from "./default_timeout.ts";
import { rowName } from "./test_name.ts";

export { expect } from "expect";

let defaultTimeoutMs = DEFAULT_TIMEOUT_MS;

/** For tests that say nothing else. */
export function setDefaultTimeout(ms: number): void {
  defaultTimeoutMs = ms;
}

/** Milliseconds, alone or as an option; see DEFAULT_TIMEOUT_MS. */
export type TimeLimit = number | { readonly timeout?: number };
type Body<Row extends readonly unknown[]> = (...row: Row) => void | Promise<unknown>;

/** `test` and everything made from it. */
export interface Test {
  (name: string, body: Body<[]>, limit?: TimeLimit): void;
  /** Registers the test and does not run it. */
  skip: Test;
  /** As `skip`: not written yet, or known to fail. */
  todo: (name: string, body?: Body<[]>, limit?: TimeLimit) => void;
  skipIf(condition: boolean): Test;
  if(condition: boolean): Test;
  /** One test per row: an array's items become the arguments, anything else is the one argument. */
  each<Row extends readonly [unknown, ...unknown[]]>(table: readonly Row[]): EachTest<[...Row]>;
  each<Row extends readonly unknown[]>(table: readonly Row[]): EachTest<[...Row]>;
  each<const Row>(table: readonly Row[]): EachTest<[Row]>;
}
type EachTest<Row extends readonly unknown[]> = (pattern: string, body: Body<Row>, limit?: TimeLimit) => void;

const running = makeTest(false);
const skipping = makeTest(true);

export const test: Test = running;
export const it: Test = running;

/** A named group of tests; hooks inside belong to it. */
export function describe(name: string, body: () => void): void {
  void node.describe(name, () => body());
}

type Hook = () => void | Promise<unknown>;

// node:test hands hooks and tests a context that they must not see, hence the wrapping.
export function beforeAll(hook: Hook, limit?: TimeLimit): void {
  node.before(() => settle(hook()), options(limit));
}
export function afterAll(hook: Hook, limit?: TimeLimit): void {
  node.after(() => settle(hook()), options(limit));
}
export function beforeEach(hook: Hook, limit?: TimeLimit): void {
  node.beforeEach(() => settle(hook()), options(limit));
}
export function afterEach(hook: Hook, limit?: TimeLimit): void {
  node.afterEach(() => settle(hook()), options(limit));
}

function makeTest(skip: boolean): Test {
  const run = (name: string, body: Body<[]>, limit?: TimeLimit) => {
    void node.test(name, { skip, ...options(limit) }, () => settle(body()));
  };
  const each = <Row>(table: readonly Row[]) => (pattern: string, body: Body<unknown[]>, limit?: TimeLimit) => {
    for (const [index, row] of table.entries()) {
      const values: readonly unknown[] = Array.isArray(row) ? row : [row];
      run(rowName(pattern, values, index), () => body(...values), limit);
    }
  };
  const made = Object.assign(run, {
    each,
    todo: (name: string) => void node.test(name, { todo: true, skip: true }, () => {}),
    skipIf: (condition: boolean) => skip || condition ? skipping : running,
    if: (condition: boolean) => skip || !condition ? skipping : running,
  });
  // `skip` is read when used: at this point `skipping` may not exist yet.
  return Object.defineProperty(made, "skip", { get: () => skipping }) as unknown as Test;
}

async function settle(result: void | Promise<unknown>): Promise<void> {
  await result;
}

function options(limit: TimeLimit | undefined): { timeout: number } {
  return { timeout: (typeof limit === "number" ? limit : limit?.timeout) ?? defaultTimeoutMs };
}
