import { ImError } from "../../../base/errors.ts";
import type { Downlink } from "../../../container/link.ts";
import { offlineHorizon } from "../../../message/offline_start.ts";
import type * as pkt from "../../../protocol/gen/pkt_messages.ts";
import type { Header } from "../../../protocol/header.ts";
import type { RoomPush, Target } from "../../../protocol/route.ts";
import type { LogicDeps } from "../deps.ts";
import { Turns } from "../group/turns.ts";
import { ROWS_AT_ONCE } from "./old_rows.ts";

/** Members looked up at once. */
const PAGE = 5_000;
/** Messages that wait for a look at the members; more are left to the clients' indexes. */
const MOST = 1_000;

type Deps = Pick<LogicDeps, "clock" | "log" | "messages" | "sessions">;
type Push = (request: Header, targets: readonly Target[], message: Partial<pkt.MessagePush>) => void;

/**
 * Large groups at KIM's gateways, which know no rooms: members' channels there are looked up for each message, one message
 * of a group after the other, so that they keep their order. Only while such a gateway is linked.
 */
export class KimRooms {
  readonly #deps: Deps;
  readonly #push: Push;
  readonly #turns = new Turns();
  #waiting = 0;

  constructor(deps: Deps, push: Push) {
    this.#deps = deps;
    this.#push = push;
  }

  push(
    links: ReadonlyMap<string, Downlink>,
    request: Header,
    { app }: RoomPush,
    message: Partial<pkt.MessagePush>,
  ): void {
    const gateways = new Set<string>();
    for (const link of links.values()) if (link.kim) gateways.add(link.peerId);
    if (gateways.size === 0 || this.#waiting >= MOST) return;
    this.#waiting++;
    const { dest: group, channelId } = request;
    this.#turns.run(`${app}/${group}`, async () => {
      const channels = await this.#channels(app, group, gateways);
      this.#push(request, channels.filter((one) => one.channelId !== channelId), message);
    }).catch((thrown) => {
      this.#deps.log.warn("delivery to KIM's gateways failed", { app, group, error: ImError.from(thrown) });
    }).finally(() => this.#waiting--);
  }

  /** Rows are made first, so that what these clients acknowledge is in their inbox. */
  async #channels(app: string, group: string, gateways: ReadonlySet<string>): Promise<Target[]> {
    const { clock, messages, sessions } = this.#deps;
    const targets: Target[] = [];
    let from: string | undefined;
    do {
      const page = await messages.members(app, group, from, PAGE);
      const found = await sessions.locate(app, page.members.map((one) => one.account));
      const here = found.filter((at) => gateways.has(at.gateId));
      if (here.length > 0) {
        const accounts = [...new Set(here.map((at) => at.account))];
        await messages.makeRows(app, accounts, offlineHorizon(clock), ROWS_AT_ONCE);
      }
      for (const { gateId, channelId } of here) {
        targets.push({ gateId, channelId, content: "protobuf", pos: 0, own: false });
      }
      from = page.next;
    } while (from !== undefined);
    return targets;
  }
}
