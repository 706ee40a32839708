import type { Clock } from "../base/clock.ts";
import { ImError } from "../base/errors.ts";
import type { Logger } from "../base/logger.ts";
import { protobuf } from "../protocol/bodies.ts";
import type { BodyCodec } from "../protocol/body_codec.ts";
import type { CloseReason } from "../protocol/close_reason.ts";
import type { Meta } from "../protocol/header.ts";
import { json } from "../protocol/json.ts";
import { META, textMeta } from "../protocol/meta.ts";
import { isName } from "../protocol/names.ts";
import type { Urls } from "./addresses.ts";
import type { ReadChange } from "./conversations.ts";
import type { GroupChange } from "./groups.ts";
import type { ClientState } from "./reconnector.ts";
import type { Skipped } from "./rooms.ts";
import type { SentMessage } from "./sent_message.ts";
import type { Connect } from "./socket.ts";
import type { ClientStorage } from "./storage.ts";

/** What a client is made with; only `url` and `token` must be given. */
export interface ClientOptions {
  /**
   * `ws://…` or `wss://…`; of several the next is tried when one fails. A function may fetch them, say from a router;
   * it is asked again when all it gave have failed, later and later as long as it fails itself.
   */
  readonly url: Urls | (() => Urls | Promise<Urls>);
  /**
   * A login token, or a function that is asked for one of the same account at every login: then a token that expired, or
   * is refused once, is replaced. One that throws an ImError UNAUTHORIZED ends the client; after any other failure it is asked again.
   */
  readonly token: string | (() => string | Promise<string>);
  /** A login replaces only the account's earlier one with the same device name. 1–60 characters; none is a name too. */
  readonly device?: string | undefined;
  /**
   * How bodies are written on the wire: protobuf (default, the smallest), JSON (readable in a browser's tools), or a codec
   * that is handed in: `msgpack` of `petrel/msgpack`.
   */
  readonly content?: "protobuf" | "json" | BodyCodec | undefined;
  /** Opens connections. Default: the runtime's WebSocket. */
  readonly connect?: Connect | undefined;
  /**
   * Keeps the place in the inbox, and waiting messages, between runs. Default: where there is IndexedDB, a database of
   * the first address, the token's app and account, and the device (so what an earlier run left is there once the first
   * token is); elsewhere memory. Give one of your own to have what waits before that, or with other names.
   */
  readonly storage?: ClientStorage | undefined;
  readonly clock?: Clock | undefined;
  /** From 0 up to, not including, 1: for client message ids and the jitter of waiting times. */
  readonly random?: (() => number) | undefined;
  readonly log?: Logger | undefined;
  /**
   * Large groups: of what was said while the client was away, the newest so many messages are handed over in each; the
   * event `skipped` tells which are not. Default 1,000; `Infinity` for all. (Of smaller groups, and of other accounts, all
   * are.) A new device begins with what comes from then on.
   */
  readonly backlog?: number | undefined;
  /** Messages that may wait to be sent; the next fails with QUOTA. Default 1,000. */
  readonly waiting?: number | undefined;
  /** A message the server keeps refusing for a while (busy, failing) fails after so long. Default 4 minutes. */
  readonly refusedMs?: number | undefined;
}

/** What a message may have beside its text. */
export interface TalkOptions {
  /** 1 text (default), 2 image, 3 voice, 4 video; the server does not look at it. */
  readonly type?: number;
  /** Anything the app wants to send beside the body, up to 500 code points. */
  readonly extra?: string;
  /** `dest` is a group id. */
  readonly group?: boolean;
}

/** What the client does about its connection now. */
export interface StateChange {
  readonly state: ClientState;
  /** Why it is offline or closed. */
  readonly why: CloseReason | undefined;
  /** Offline: milliseconds until the next attempt. */
  readonly retryInMs: number | undefined;
}

/** What `on` can be asked for. */
export interface ClientEvents {
  state: StateChange;
  /** A message of ours became durable, or failed; or an earlier run left it in the storage ("sending"). */
  sent: SentMessage;
  /** What others, or other devices of this account, did to a group of ours. Not told of what happens while offline. */
  group: GroupChange;
  /** Another device of this account read a conversation. Not told of what happens while offline. */
  read: ReadChange;
  /** So many messages of a large group came while the client was away that the oldest of them are not handed over. */
  skipped: Skipped;
  /** The storage failed and the client goes on in memory; or (no error) it works again, with everything in it. */
  storage: { readonly error: ImError | undefined };
  /** Another login of the same account and device took over. The client is closed. */
  kicked: { readonly channelId: string };
  /** The server ended the connection because the token expired. With a token function a new login follows. */
  tokenExpired: { readonly renewing: boolean };
  /** The gateway shuts down; the client goes elsewhere, or waits for it to come back. */
  drain: { readonly url: string };
  /** For good: by `close()`, or because the server said not to come back. */
  closed: { readonly why: CloseReason; readonly error: ImError };
}

/** @throws {ImError} CONFIG */
export function checkDevice(device: string | undefined): void {
  if (device !== undefined && !isName(device)) {
    throw new ImError("CONFIG", `Cannot make client: device is not a legal name: ${device}`);
  }
}

/** @throws {ImError} CONFIG */
export function codecOf(content: ClientOptions["content"] = "protobuf"): BodyCodec {
  if (content === "protobuf") return protobuf;
  if (content === "json") return json;
  if (typeof content === "object") return content;
  throw new ImError("CONFIG", `Cannot make client: content is ${content}, expected protobuf, json or a codec`);
}

/** What a login says of this client. */
export function loginMeta(device: string | undefined, { content }: BodyCodec): readonly Meta[] {
  const meta: Meta[] = [textMeta(META.CAPS, "1")];
  if (device !== undefined) meta.push(textMeta(META.DEVICE, device));
  if (content !== "protobuf") meta.push(textMeta(META.CONTENT, content));
  return meta;
}
