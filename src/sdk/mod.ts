// The client SDK: browsers, Bun, Deno. Start at client.ts.
export { ImError } from "../base/errors.ts";
export type { ErrorCode } from "../base/errors.ts";
export type { Logger } from "../base/logger.ts";
export type { BodyCodec } from "../protocol/body_codec.ts";
export { CLOSE, type CloseReason } from "../protocol/close_reason.ts";
export type { Databases } from "./indexed_db.ts";
export { IndexedDbStorage } from "./indexed_db_storage.ts";
export { PetrelClient } from "./client.ts";
export type { Urls } from "./addresses.ts";
export type {
  Conversation,
  ConversationPage,
  Conversations,
  HistoryOptions,
  HistoryPage,
  ReadChange,
} from "./conversations.ts";
export { claimDevice, type DeviceClaim, type DevicePage } from "./device.ts";
export type { MessageHandler } from "./delivery.ts";
export type { Group, GroupChange, GroupMember, Groups, NewGroup } from "./groups.ts";
export type { Message } from "./message.ts";
export type { ClientEvents, ClientOptions, StateChange, TalkOptions } from "./options.ts";
export type { ClientState } from "./reconnector.ts";
export type { Skipped } from "./rooms.ts";
export type { Receipt, SentMessage, SentState } from "./sent_message.ts";
export { type ClientSocket, type ClientSocketEvents, type Connect, connectWebSocket } from "./socket.ts";
export { type ClientStorage, MemoryStorage, type Saved, type SavedMessage, type SavedPosition } from "./storage.ts";
