import { ImError } from "../base/errors.ts";
import type * as rpc from "../protocol/gen/rpc_messages.ts";
import { GROUP_TEXT, TEXT } from "../protocol/limits.ts";
import { codePoints, isName } from "../protocol/names.ts";

/** What one request to a store may ask for; our chat servers ask for less. Each is refused with INVALID_BODY. */
export const MOST = { appends: 1_000, acks: 1_000, names: 10_000, contents: 1_000, rows: 10_000 } as const;

/** @throws {ImError} INVALID_BODY */
export function checkNames(names: readonly string[]): void {
  for (const name of names) if (!isName(name)) throw refused(`${shown(name)} is not a legal name`);
}

/** @throws {ImError} INVALID_BODY */
export function checkCount(what: string, list: readonly unknown[], most: number): void {
  if (list.length > most) throw refused(`${list.length} ${what}, limit is ${most}`);
}

/** Of rows that are asked for. @throws {ImError} INVALID_BODY */
export function checkLimit(limit: number): void {
  if (limit > MOST.rows) throw refused(`limit is ${limit}, at most ${MOST.rows} is possible`);
}

/** @throws {ImError} INVALID_BODY */
export function checkGroupTexts(group: { name: string; avatar: string; introduction: string }): void {
  for (const text of ["name", "avatar", "introduction"] as const) {
    if (codePoints(group[text], GROUP_TEXT[text]) > GROUP_TEXT[text]) {
      throw refused(`${text} is longer than ${GROUP_TEXT[text]} characters`);
    }
  }
}

/** @throws {ImError} INVALID_BODY */
export function checkKey(key: rpc.RequestKey | undefined): void {
  if (key && !isKey(key)) throw refused("its key is none");
}

/** Why a message cannot be stored as it is; the others of its request can. hot: per message */
export function appendProblem(one: rpc.Append): ImError | undefined {
  if (!isName(one.app) || !isName(one.sender)) return refused("app or sender is not a legal name");
  if (!one.group && !isName(one.dest)) return refused("dest is not a legal name");
  if (codePoints(one.body, TEXT.body) > TEXT.body) return refused(`body is longer than ${TEXT.body} characters`);
  if (codePoints(one.extra, TEXT.extra) > TEXT.extra) return refused(`extra is longer than ${TEXT.extra} characters`);
  if (codePoints(one.clientMsgId, TEXT.clientMsgId) > TEXT.clientMsgId) return refused("clientMsgId is too long");
  return one.key && !isKey(one.key) ? refused("its key is none") : undefined;
}

/** Longest scope of a key, in UTF-16 units: names a gateway, an account and a run. */
const SCOPE = 300;

function isKey({ scope, n, low }: rpc.RequestKey): boolean {
  return scope !== "" && scope.length <= SCOPE && n >= 0n && low >= 0n && low <= n && n <= Number.MAX_SAFE_INTEGER;
}

function refused(why: string): ImError {
  return new ImError("INVALID_BODY", `Cannot do this: ${why}`);
}

function shown(name: string): string {
  return JSON.stringify(name.length > 60 ? `${name.slice(0, 60)}…` : name);
}
