import { sleep } from "../../base/clock.ts";
import { ImError } from "../../base/errors.ts";
import type { Counter } from "../../base/metrics.ts";
import type { CommandContext } from "../../command/context.ts";
import type { CommandRouter } from "../../command/router.ts";
import { dispatch, dispatchRoom, tell } from "../../container/dispatch.ts";
import type { Downlink, LinkLogic, Upward } from "../../container/link.ts";
import type { BodyType } from "../../protocol/bodies.ts";
import type { Content } from "../../protocol/body_codec.ts";
import { encodeAs } from "../../protocol/content.ts";
import * as pkt from "../../protocol/gen/pkt_messages.ts";
import { FLAG, type Header, makeHeader } from "../../protocol/header.ts";
import type { InRoom, RequestKey, RoomPush, Target } from "../../protocol/route.ts";
import { STATUS } from "../../protocol/status.ts";
import type { RoomChanged } from "../../message/room_changes.ts";
import { DRAIN, LOOK, ROOM_CHANGE } from "../../protocol/commands.ts";
import type { LogicDeps } from "./deps.ts";
import { everyMember, tellRooms } from "./group/members_online.ts";
import { Receipts } from "./receipts.ts";
import { mayWork, Redelivery } from "./redelivery.ts";
import { KimRooms } from "./room/kim_rooms.ts";
import { logicRoutes } from "./routes.ts";

/**
 * A logic server: requests come in on links from gateways, go through the command router, and the handler's return
 * value leaves as the reply. It holds no state of its own: sessions and messages are in their stores.
 */
export class LogicServer implements LinkLogic, Disposable {
  readonly #deps: LogicDeps;
  readonly #router: CommandRouter;
  /** By gateway id. */
  readonly #links = new Map<string, Downlink>();
  readonly #missed: Counter;
  readonly #receipts: Receipts;
  readonly #redelivery: Redelivery;
  readonly #kimRooms: KimRooms;
  #running = 0;
  /** Requests that were answered and whose pushes are still to be sent. */
  #pushing = 0;
  /** When the drain was announced, monotonic ms; undefined: it was not. */
  #drainMs: number | undefined;
  /** When a client's request came last. */
  #heardMs = 0;
  #idle: (() => void) | undefined;

  constructor(deps: LogicDeps, router?: CommandRouter) {
    this.#deps = deps;
    this.#receipts = new Receipts(deps.clock, deps.metrics);
    this.#router = router ?? logicRoutes(deps, this.#receipts);
    this.#redelivery = new Redelivery({
      ...deps,
      probe: () => deps.sessions.get("a channel that is not there"),
      look: () => this.#tellAll(LOOK),
    });
    this.#kimRooms = new KimRooms(
      deps,
      (request, targets, message) => this.push(request, request.command, targets, pkt.MessagePush, message),
    );
    this.#missed = deps.metrics.counter(
      "petrel_push_missed_total",
      "Pushes whose gateway had no link; clients fetch them later",
    );
  }

  /** A gateway's link is up. A newer link of the same gateway takes over. */
  attach(link: Downlink): void {
    this.#links.set(link.peerId, link);
    if (this.#drainMs !== undefined) tell(link, DRAIN);
  }

  up(packet: Upward, from: Downlink): void {
    if (!this.#links.has(from.peerId)) this.#links.set(from.peerId, from);
    this.#running++;
    const now = this.#deps.clock.mono();
    const ctx = new Request(packet, from.incarnation, this, now);
    if (ctx.channelId !== "") this.#heardMs = now;
    if (this.#drainMs !== undefined && this.#isRefused(ctx)) return this.#refuse(ctx, from);
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
    this.#missed.inc(dispatch(this.#links, request, command, targets, type, message, this.#receipts));
  }

  pushRoom(request: Header, room: RoomPush, message: Partial<pkt.MessagePush>): void {
    dispatchRoom(this.#links, request, room, message);
    this.#kimRooms.push(this.#links, request, room, message);
  }

  /** Resolves when every request taken so far has been answered. */
  drained(): Promise<void> {
    return this.#running === 0 ? Promise.resolve() : new Promise((resolve) => this.#idle = resolve);
  }

  /**
   * Announces on all links, also on later ones, that this server stops. Resolves when gateways have sent nothing for a
   * second and everything is answered and pushed, or after `limitMs`: what is then unanswered goes to another server.
   */
  async drain(limitMs: number): Promise<void> {
    const { clock } = this.#deps;
    if (this.#drainMs === undefined) {
      this.#drainMs = clock.mono();
      this.#tellAll(DRAIN);
    }
    const until = clock.mono() + limitMs;
    const busy = () =>
      this.#running + this.#pushing > 0 ||
      clock.mono() - Math.max(this.#heardMs, this.#drainMs!) < QUIET_MS;
    while (busy() && clock.mono() < until) await sleep(clock, DRAIN_TURN_MS);
  }

  [Symbol.dispose](): void {
    this.#redelivery[Symbol.dispose]();
  }

  /** Logins that were on their way are taken; a gateway that sends more has not understood. */
  #isRefused({ header }: Request): boolean {
    return header.command === "login.signin" && this.#deps.clock.mono() - this.#drainMs! > QUIET_MS;
  }

  #refuse(ctx: Request, from: Downlink): void {
    ctx.status = STATUS.BUSY.wire;
    const message = "Cannot log in here: the server stops, try again";
    this.#answer(ctx, encodeAs(ctx.content, pkt.ErrorResp, { message }), from);
    this.#done();
  }

  #tellAll(command: string): void {
    for (const link of this.#links.values()) tell(link, command);
  }

  #answer(ctx: Request, body: Uint8Array, from: Downlink): void {
    const { header } = ctx;
    // The gateway that asked is answered where it is now: its link may be a newer one, but not that of another run.
    const current = this.#links.get(ctx.gateId);
    const link = current?.incarnation === ctx.incarnation ? current : from;
    // On a newer link the gateway has forwarded it again since: what refuses this copy says nothing about the next.
    if (link !== from && !link.kim && !ctx.again && ctx.status !== STATUS.SUCCESS.wire) return;
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
      ...(ctx.generation > 0n ? { generation: ctx.generation } : undefined),
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
    // This server stops: its link will close, and the gateway forwards to another what has no answer.
    if (ctx.key && thrown instanceof ImError && thrown.code === "CLOSED") return;
    this.#deps.log.error("command broke", { command: ctx.header.command, error: ImError.from(thrown) });
    ctx.status = STATUS.SYSTEM.wire;
    this.#answer(ctx, NOTHING, from);
  }

  async #after(ctx: Request, later: readonly (() => Promise<void> | void)[]): Promise<void> {
    this.#pushing++;
    for (const run of later) {
      if (this.#redelivery.waits) {
        this.#redelivery.add(run, ctx.bytes);
        continue;
      }
      try {
        await run();
      } catch (thrown) {
        // The message is stored and answered; what follows is tried again, unless the program itself is wrong.
        const [error, command] = [ImError.from(thrown), ctx.header.command];
        this.#deps.log.warn("delivery failed", { command, app: ctx.app, error });
        if (mayWork(thrown)) this.#redelivery.add(run, ctx.bytes);
      }
    }
    this.#pushing--;
  }
}

/** No client's request for so long after the drain was announced: all that was under way has come. */
const QUIET_MS = 1_000;
const DRAIN_TURN_MS = 50;
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
  readonly incarnation: string;
  readonly key: RequestKey | undefined;
  readonly arrivedMs: number;
  readonly startBy: number;
  readonly again: boolean;
  status = 0;
  pos = 0;
  rooms: readonly InRoom[] = NO_ROOMS;
  generation = 0n;
  later: (() => Promise<void> | void)[] | undefined;
  /** About what it keeps in memory. */
  readonly bytes: number;
  readonly #server: LogicServer;

  constructor(packet: Upward, incarnation: string, server: LogicServer, arrivedMs: number) {
    this.header = packet.header;
    this.app = packet.app;
    this.account = packet.account;
    this.device = packet.device;
    this.caps = packet.caps;
    this.content = packet.content;
    this.channelId = packet.header.channelId;
    this.gateId = packet.gateId;
    this.incarnation = incarnation;
    this.key = packet.key;
    this.arrivedMs = arrivedMs;
    this.startBy = packet.startBy;
    this.again = packet.again;
    this.bytes = packet.body.length + 1_024;
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
