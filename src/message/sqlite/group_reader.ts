import type { DatabaseSync, StatementSync } from "node:sqlite";
import { ImError } from "../../base/errors.ts";
import { snowflakeMs } from "../../id/snowflake.ts";
import { fromBase36, toBase36 } from "../../protocol/base36.ts";
import type { Group, Member, MemberPage } from "../group_store.ts";
import { unknownGroup } from "./groups.ts";
import type { Names } from "./names.ts";
import { big, int, type Row, text, whole } from "./rows.ts";
import { KIND } from "./schema.ts";

/** A time in which an account was in a group: it sees messages above `after`, up to `upTo`. */
export interface Stay {
  readonly after: number;
  /** Infinity: it is in now. */
  readonly upTo: number;
}

/** Groups and members as the database has them: all there is but heads. */
export class GroupReader {
  readonly #names: Names;
  readonly #selectLog: StatementSync;
  readonly #selectGroup: StatementSync;
  readonly #selectMember: StatementSync;
  readonly #selectPage: StatementSync;
  readonly #selectStays: StatementSync;
  readonly #selectRooms: StatementSync;

  constructor(db: DatabaseSync, names: Names) {
    this.#names = names;
    this.#selectLog = db.prepare("SELECT id FROM logs WHERE app = ? AND kind = ? AND name = ?");
    this.#selectGroup = db.prepare(
      `SELECT CAST(groups.name AS BLOB) AS title, ${whole("avatar")}, ${whole("introduction")}, logs.name,
       epoch, owner, members, large_from FROM groups JOIN logs ON logs.id = groups.id WHERE groups.id = ?`,
    );
    this.#selectGroup.setReadBigInts(true);
    this.#selectMember = db.prepare(
      "SELECT 1 FROM group_members WHERE grp = ? AND account = ? AND left_seq IS NULL",
    );
    this.#selectPage = db.prepare(
      `SELECT account, joined FROM group_members WHERE grp = ? AND joined > ? AND left_seq IS NULL
       ORDER BY joined LIMIT ?`,
    );
    this.#selectPage.setReadBigInts(true);
    this.#selectStays = db.prepare(
      "SELECT joined_seq, left_seq FROM group_members WHERE grp = ? AND account = ? ORDER BY joined_seq",
    );
    this.#selectRooms = db.prepare(
      `SELECT grp, joined_seq FROM conversations AS line
       JOIN groups ON groups.id = conversation
       JOIN group_members AS member ON grp = conversation AND member.account = line.account
       WHERE line.account = ? AND peer IS NULL AND large_from IS NOT NULL AND left_seq IS NULL ORDER BY grp`,
    );
  }

  /** Number of a log; undefined: unknown. */
  log(app: string, kind: number, name: string): number | undefined {
    const row = this.#selectLog.get(app, kind, name);
    return row && int(row, "id");
  }

  group(log: number, head: number): Group {
    const row = this.#selectGroup.get(log);
    if (!row) throw new Error(`Cannot read group ${log}: it is not there`);
    return {
      id: text(row, "name"),
      name: text(row, "title"),
      avatar: text(row, "avatar"),
      introduction: text(row, "introduction"),
      owner: row["owner"] === null ? "" : this.#names.get(int(row, "owner")),
      createdAt: secondsOf(row, "epoch"),
      memberCount: int(row, "members"),
      head,
      largeFrom: row["large_from"] === null ? undefined : int(row, "large_from"),
    };
  }

  isMember(app: string, id: string, account: string): boolean {
    const group = this.log(app, KIND.group, id), member = this.log(app, KIND.account, account);
    return group !== undefined && member !== undefined && this.#selectMember.get(group, member) !== undefined;
  }

  members(app: string, id: string, from: string | undefined, limit: number): MemberPage {
    const group = this.log(app, KIND.group, id);
    if (group === undefined) throw unknownGroup();
    const after = from === undefined ? 0n : fromBase36(from);
    if (after === undefined) throw new ImError("INVALID_BODY", "Cannot list members: no page starts there");
    const rows = this.#selectPage.all(group, after, limit + 1);
    const shown = rows.slice(0, limit), last = shown.at(-1);
    return {
      members: shown.map((row): Member => ({
        account: this.#names.get(int(row, "account")),
        joinTime: secondsOf(row, "joined"),
      })),
      next: rows.length > limit && last ? toBase36(big(last, "joined")) : undefined,
    };
  }

  /** Every time in which the account was in the group, oldest first; the last is open when it is in now. */
  stays(group: number, account: number): Stay[] {
    return this.#selectStays.all(group, account).map((row) => ({
      after: int(row, "joined_seq"),
      upTo: row["left_seq"] === null ? Infinity : int(row, "left_seq"),
    }));
  }

  /** Large groups of an account, and above which seq it sees their messages. */
  rooms(app: string, account: string): { group: string; joinedSeq: number }[] {
    const log = this.log(app, KIND.account, account);
    if (log === undefined) return [];
    return this.#selectRooms.all(log).map((row) => ({
      group: this.#names.get(int(row, "grp")),
      joinedSeq: int(row, "joined_seq"),
    }));
  }
}

function secondsOf(row: Row, column: string): number {
  return Math.floor(snowflakeMs(big(row, column)) / 1_000);
}
