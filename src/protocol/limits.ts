/** Sizes that are checked before anything is allocated. Source: proto/WIRE.md "Limits". */
export interface Limits {
  readonly frameBytes: number;
  readonly headerBytes: number;
  readonly metas: number;
}

/** Before the login, after it, and between servers. */
export const LIMITS = {
  beforeLogin: { frameBytes: 8 << 10, headerBytes: 4 << 10, metas: 32 },
  client: { frameBytes: 64 << 10, headerBytes: 4 << 10, metas: 32 },
  link: { frameBytes: 16 << 20, headerBytes: 256 << 10, metas: 256 },
} as const satisfies Record<string, Limits>;

/** Code points. */
export const TEXT = { body: 5_000, extra: 500, name: 60, clientMsgId: 60 } as const;
/** Code points, of a group's texts. */
export const GROUP_TEXT = { name: 50, avatar: 200, introduction: 300 } as const;
/**
 * Ids in one offline content request; rows in one offline index page; messages in one sync page; sessions in one
 * restore; accounts in one check of rooms.
 */
export const PAGES = {
  contents: 200,
  indexes: 2_000,
  sync: 200,
  resume: 256,
  members: 500,
  conversations: 100,
  restore: 500,
  roomCheck: 100,
} as const;
