import { ImError } from "../../base/errors.ts";
import type { Counter } from "../../base/metrics.ts";
import type { CommandContext } from "../../command/context.ts";
import type { CommandRouter } from "../../command/router.ts";
import { dispatch, dispatchRoom } from "../../container/dispatch.ts";
import type { Downlink, DownlinkEvents, Upward } from "../../container/link.ts";
import type { BodyType } from "../../protocol/bodies.ts";
import type { Content } from "../../protocol/body_codec.ts";
import type * as pkt from "../../protocol/gen/pkt_messages.ts";
import { FLAG, type Header, makeHeader } from "../../protocol/header.ts";
import type { InRoom, RequestKey, RoomPush, Target } from "../../protocol/route.ts";
import { STATUS } from "../../protocol/status.ts";
import type { RoomChanged } from "../../message/room_changes.ts";
import { ROOM_CHANGE } from "../../protocol/commands.ts";
import type { LogicDeps } from "./deps.ts";
import { everyMember, tellRooms } from "./group/members_online.ts";
import { logicRoutes } from "./routes.ts";

/**
 * A logic server: requests come in on links from gateways, go through the command router, and the handler's return
 * value leaves as the reply. It holds no state of its own: sessions and messages are in their stores.
 */
export class LogicServer implements DownlinkEvents {
  readonly #deps: LogicDeps;
  readonly #router: CommandRouter;
  /** By gateway id. */
  readonly #links = new Map<string, Downlink>();
  readonly #missed: Counter;
  #running = 0;
  #idle: (() => void) | undefined;

  constructor(deps: LogicDeps, router: CommandRouter = logicRoutes(deps)) {
    this.#deps = deps;
    this.#router = router;
    this.#missed = deps.metrics.counter(
      "petrel_push_missed_total",
      "Pushes whose gateway had no link; clients fetch them later",
    );
  }

  /** A gateway's link is up. A newer link of the same gateway takes over. */
  attach(link: Downlink): void {
    this.#links.set(link.peerId, link);
  }

  up(packet: Upward, from: Downlink): void {
    if (!this.#links.has(from.peerId)) this.#links.set(from.peerId, from);
    this.#running++;
    const ctx = new Request(packet, this, this.#deps.clock.mono());
    // hot: per request. The handler runs up to its first await right here, so a channel's order is kept.
    this.#router.run(ctx, packet.body).then(
      (body) => this.#answer(ctx, body, from),
      (thrown) => this.#failed(ctx, thrown, from),
    ).catch((thrown) => this.#deps.log.error("answering failed", { error: ImError.from(thrown) }))
      .finally(() => this.#done());
  }

  /** Accounts entered a large group, or left it, without a command of ours: their gateways are told. */
  async roomChanged({ app, group, accounts, joined, seq, becameLarge }: RoomChanged): Promise<void> {
    const who = becameLarge ? await everyMember(this.#deps, app, group) : accounts;
    const dispatch: CommandContext["dispatch"] = (targets, type, message, command = ROOM_CHANGE) =>
      this.push(makeHeader(command), command, targets, type, message);
    await tellRooms(this.#deps, { dispatch }, who, { app, groupId: group, seq: joined ? seq : 0, leftAt: seq });
  }

  closed(link: Downlink): void {
    if (this.#links.get(link.peerId) === link) this.#links.delete(link.peerId);
  }

  push<T>(request: Header, command: string, targets: readonly Target[], type: BodyType<T>, message: Partial<T>): void {
    this.#missed.inc(dispatch(this.#links, request, command, targets, type, message));
  }

  pushRoom(request: Header, room: RoomPush, message: Partial<pkt.MessagePush>): void {
    dispatchRoom(this.#links, request, room, message);
  }

  /** Resolves when every request taken so far has been answered. */
  drained(): Promise<void> {
    return this.#running === 0 ? Promise.resolve() : new Promise((resolve) => this.#idle = resolve);
  }

  #answer(ctx: Request, body: Uint8Array, from: Downlink): void {
    const { header } = ctx;
    // The gateway that asked is answered where it is now: its link may be a newer one.
    const link = this.#links.get(ctx.gateId) ?? from;
    const own = ctx.channelId === "";
    link.send({
      header: makeHeader(header.command, {
        channelId: ctx.channelId,
        sequence: header.sequence,
        flag: FLAG.RESPONSE,
        status: ctx.status,
        dest: header.dest,
      }),
      body,
      gateId: ctx.gateId,
      channels: own ? NO_CHANNELS : [ctx.channelId],
      positions: own ? NO_POSITIONS : [ctx.pos],
      own: false,
      answers: ctx.key?.n ?? 0,
      ...(ctx.rooms.length > 0 ? { rooms: ctx.rooms } : undefined),
    });
    if (ctx.later) void this.#after(ctx, ctx.later);
  }

  #done(): void {
    if (--this.#running > 0) return;
    this.#idle?.();
    this.#idle = undefined;
  }

  /** Only when even `recover` failed: the client must not wait for ever. */
  #failed(ctx: Request, thrown: unknown, from: Downlink): void {
    this.#deps.log.error("command broke", { command: ctx.header.command, error: ImError.from(thrown) });
    ctx.status = STATUS.SYSTEM.wire;
    this.#answer(ctx, NOTHING, from);
  }

  async #after(ctx: Request, later: readonly (() => Promise<void> | void)[]): Promise<void> {
    for (const run of later) {
      try {
        await run();
      } catch (thrown) {
        // The message is stored and answered; its receivers fetch it when they notice the gap.
        this.#deps.log.warn("delivery failed", {
          command: ctx.header.command,
          app: ctx.app,
          error: ImError.from(thrown),
        });
      }
    }
  }
}

const NOTHING = new Uint8Array(0);
const NO_CHANNELS: readonly string[] = [];
const NO_POSITIONS: readonly number[] = [];
const NO_ROOMS: readonly InRoom[] = [];

class Request implements CommandContext {
  readonly header: Header;
  readonly app: string;
  readonly account: string;
  readonly device: string;
  readonly caps: boolean;
  readonly content: Content;
  readonly channelId: string;
  readonly gateId: string;
  readonly key: RequestKey | undefined;
  readonly arrivedMs: number;
  readonly startBy: number;
  readonly again: boolean;
  status = 0;
  pos = 0;
  rooms: readonly InRoom[] = NO_ROOMS;
  later: (() => Promise<void> | void)[] | undefined;
  readonly #server: LogicServer;

  constructor(packet: Upward, server: LogicServer, arrivedMs: number) {
    this.header = packet.header;
    this.app = packet.app;
    this.account = packet.account;
    this.device = packet.device;
    this.caps = packet.caps;
    this.content = packet.content;
    this.channelId = packet.header.channelId;
    this.gateId = packet.gateId;
    this.key = packet.key;
    this.arrivedMs = arrivedMs;
    this.startBy = packet.startBy;
    this.again = packet.again;
    this.#server = server;
  }

  dispatch<T>(
    targets: readonly Target[],
    type: BodyType<T>,
    message: Partial<T>,
    command = this.header.command,
  ): void {
    this.#server.push(this.header, command, targets, type, message);
  }

  dispatchRoom(seq: number, message: Partial<pkt.MessagePush>): void {
    this.#server.pushRoom(this.header, { app: this.app, seq }, message);
  }

  after(run: () => Promise<void> | void): void {
    (this.later ??= []).push(run);
  }
}
