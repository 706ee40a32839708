import { expect, test } from "bun:test";
import { CLOSE } from "../../protocol/close_reason.ts";
import type { Revocation, RevocationSource } from "../../session/revocations.ts";
import { Bench, refused, Wire } from "./gateway_bench.fixture.ts";

/** A list that the test changes; a token's hash is its text backwards. */
class Source implements RevocationSource {
  watched = 0;
  #list: readonly Revocation[];
  #changed: (list: readonly Revocation[]) => void = () => {};

  constructor(...list: Revocation[]) {
    this.#list = list;
  }
  hash(token: string): string {
    return [...token].reverse().join("");
  }
  watch(changed: (list: readonly Revocation[]) => void) {
    this.watched++;
    this.#changed = changed;
    changed(this.#list);
    return { stop: () => void this.watched-- };
  }
  set(...list: Revocation[]): void {
    this.#changed(list);
  }
}

const UNTIL = 1_700_000_000 + 3600;
const ann = { app: "kim", account: "ann", until: UNTIL };

test("a revoked token is refused at login with 105, another token of the account is not", () => {
  const source = new Source();
  const bench = new Bench({}, ["chat1"], { revocations: source });
  const token = bench.token("ann");
  source.set({ token: source.hash(token), until: UNTIL });
  const outcome = refused(bench.first(new Wire(), token));
  expect(outcome).toMatchObject({ header: { status: 105 }, why: CLOSE.UNAUTHORIZED });
  expect(bench.logic.up).toEqual([]);
  expect("at" in bench.first(new Wire(), bench.token("ann", UNTIL + 1))).toBe(false);
});

test("what was revoked before the gateway started counts from its first login", () => {
  const bench = new Bench({}, ["chat1"], { revocations: new Source(ann) });
  expect(refused(bench.first(new Wire(), bench.token("ann"))).header?.status).toBe(105);
  expect("at" in bench.first(new Wire(), bench.token("ann", UNTIL, "other"))).toBe(false);
});

test("open channels of a revoked account close with 4508, logged in or logging in; all others stay", () => {
  const source = new Source();
  const bench = new Bench({}, ["chat1"], { revocations: source });
  const [desk, phone, bob, arriving] = [new Wire(), new Wire(), new Wire(), new Wire()];
  bench.login(desk);
  bench.login(phone);
  bench.login(bob, 0, {}, "bob");
  bench.first(arriving);
  source.set(ann);
  expect([desk, phone, arriving].map((wire) => wire.closed)).toEqual([CLOSE.REVOKED, CLOSE.REVOKED, CLOSE.REVOKED]);
  expect(bob.closed).toBe(undefined);
});

test("of one account only the channel with the revoked token closes", () => {
  const source = new Source();
  const bench = new Bench({}, ["chat1"], { revocations: source });
  const [one, other] = [new Wire(), new Wire()];
  const token = bench.token("ann", UNTIL + 7);
  bench.first(one, token);
  bench.answer();
  bench.login(other);
  source.set({ token: source.hash(token), until: UNTIL });
  expect([one.closed, other.closed]).toEqual([CLOSE.REVOKED, undefined]);
});

test("when the time is over, or the revocation was taken back, the account is let in again", () => {
  const source = new Source(ann);
  const bench = new Bench({}, ["chat1"], { revocations: source });
  const token = bench.token("ann", UNTIL + 3600);
  source.set();
  expect("at" in bench.first(new Wire(), token)).toBe(false);
  source.set(ann);
  bench.clock.advance(3600_000);
  expect("at" in bench.first(new Wire(), token)).toBe(false);
});

test("a gateway that stops looks no more", () => {
  const source = new Source();
  const bench = new Bench({}, ["chat1"], { revocations: source });
  bench.gateway[Symbol.dispose]();
  expect(source.watched).toBe(0);
});
