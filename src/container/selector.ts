import type { Clock } from "../base/clock.ts";
import type { Counter, Metrics } from "../base/metrics.ts";
import type { Content } from "../protocol/body_codec.ts";
import { crc32 } from "../protocol/crc32.ts";
import type { Uplink } from "./link.ts";
import { type RouteTable, zoneOf, zonesOf } from "./route_file.ts";

/** Command prefix (the text before the first dot) to the service that answers it. */
export const SERVICE_OF: ReadonlyMap<string, string> = new Map([["chat", "chat"], ["login", "chat"]]);

/** The service a command belongs to; undefined: not routable, the answer is 301. */
export function serviceOf(command: string): string | undefined {
  const dot = command.indexOf(".");
  return dot <= 0 ? undefined : SERVICE_OF.get(command.slice(0, dot));
}

export interface SelectorDeps {
  readonly clock: Clock;
  readonly metrics: Metrics;
  /** Without one, zones do not matter. */
  readonly routes?: RouteTable | undefined;
}

/** The servers that may be chosen at this moment, sorted by id. */
interface Choice {
  readonly all: readonly Uplink[];
  readonly zones: ReadonlyMap<string, readonly Uplink[]>;
}

const NOBODY: Choice = { all: [], zones: new Map() };

/**
 * The links to the logic servers of one service, and the choice among them: the same at every gateway, and it only moves
 * when the set of servers changes. Source: proto/WIRE.md "Choosing".
 */
export class Selector {
  readonly #clock: Clock;
  readonly #routes: RouteTable | undefined;
  /** By zone: choices that found no server there. */
  readonly #noServer = new Map<string, Counter>();
  /** In the order they were added. */
  #links: readonly Uplink[] = [];
  #isStale = false;
  /** Monotonic ms at which the next young server is grown up. */
  #grownMs = Infinity;
  /** For clients whose bodies are protobuf: every server takes them. */
  #forAll = NOBODY;
  /** For the other clients: KIM's servers read nothing but protobuf. */
  #forOurs = NOBODY;

  constructor({ clock, metrics, routes }: SelectorDeps) {
    this.#clock = clock;
    this.#routes = routes;
    const help = "Channels for whose zone no server was there: another zone's was taken";
    for (const zone of routes ? zonesOf(routes) : []) {
      this.#noServer.set(zone, metrics.counter("petrel_no_server_in_zone_total", help, { zone }));
    }
  }

  add(link: Uplink): void {
    this.#links = [...this.#links.filter((one) => one !== link), link];
    this.#isStale = true;
  }

  remove(link: Uplink): void {
    this.#links = this.#links.filter((one) => one !== link);
    this.#isStale = true;
  }

  /** A link's state is another one. */
  changed(): void {
    this.#isStale = true;
  }

  /**
   * The server for a client's new channel; undefined when there is none. Without an app zones do not matter: any server
   * will do, and the account only spreads.
   */
  pick(app: string, account: string, content: Content = "protobuf"): Uplink | undefined {
    // hot: per login, and per request of a channel that lost its server
    if (this.#isStale || (this.#grownMs !== Infinity && this.#grownMs <= this.#clock.mono())) this.#refresh();
    const picked = this.#choose(app, account, content);
    if (!picked || picked.state === "open") return picked;
    // Nobody told us that its state changed.
    this.#refresh();
    return this.#choose(app, account, content);
  }

  #choose(app: string, account: string, content: Content): Uplink | undefined {
    const { all, zones } = content === "protobuf" ? this.#forAll : this.#forOurs;
    if (all.length === 0) return undefined;
    const hash = crc32(account);
    let kept = all;
    if (this.#routes && app !== "") {
      const zone = zoneOf(this.#routes, app, hash);
      const there = zones.get(zone);
      if (there) kept = there;
      else this.#noServer.get(zone)!.inc();
    }
    return kept[Math.floor((hash % (10 * kept.length)) / 10)];
  }

  #refresh(): void {
    const now = this.#clock.mono();
    // One link per id: a server that came back has a new one, and the old one's end may not have been seen yet.
    const byId = new Map<string, Uplink>();
    for (const link of this.#links) if (link.state === "open") byId.set(link.peerId, link);
    const open = [...byId.values()].sort((a, b) => a.peerId < b.peerId ? -1 : 1);
    this.#forAll = choiceOf(open, now);
    this.#forOurs = choiceOf(open.filter((link) => !link.kim), now);
    this.#grownMs = Math.min(...open.map(({ youngUntilMs }) => youngUntilMs > now ? youngUntilMs : Infinity));
    this.#isStale = false;
  }
}

/** Young servers count only while there is no other. */
function choiceOf(open: readonly Uplink[], now: number): Choice {
  const grown = open.filter(({ youngUntilMs }) => youngUntilMs <= now);
  const all = grown.length > 0 ? grown : open;
  const zones = new Map<string, Uplink[]>();
  for (const link of all) {
    const there = zones.get(link.zone);
    if (there) there.push(link);
    else zones.set(link.zone, [link]);
  }
  return { all, zones };
}
