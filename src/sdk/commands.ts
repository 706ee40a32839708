/**
 * The commands a client speaks, by name: the table of protocol/commands.ts would bring every message's codec into a
 * page. A test compares them with it.
 */
export const SIGN_IN = "login.signin";
export const USER_TALK = "chat.user.talk";
export const GROUP_TALK = "chat.group.talk";
export const TALK_ACK = "chat.talk.ack";
export const SYNC = "chat.sync";
export const GROUP_CREATE = "chat.group.create";
export const GROUP_JOIN = "chat.group.join";
export const GROUP_QUIT = "chat.group.quit";
export const GROUP_DETAIL = "chat.group.detail";
export const GROUP_MEMBERS = "chat.group.members";
export const HISTORY = "chat.history";
export const CONVERSATIONS = "chat.conversations";
export const READ = "chat.read";
