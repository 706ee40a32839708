import type { Clock } from "../../base/clock.ts";
import type { Counter, Metrics } from "../../base/metrics.ts";
import type { Uplink, Upward } from "../../container/link.ts";
import type { RouteTable } from "../../container/route_file.ts";
import { Selector } from "../../container/selector.ts";
import type { Content } from "../../protocol/body_codec.ts";
import { CLOSE } from "../../protocol/close_reason.ts";
import type { ClientChannel } from "./client_channel.ts";

/** Stores remember keys for 10 minutes. */
const KEYS_MS = 540_000;

export interface ForwardingDeps {
  readonly clock: Clock;
  readonly metrics: Metrics;
  readonly routes?: RouteTable | undefined;
  /** The request could not be begun in time, and no server has had it. */
  refuseLate(channel: ClientChannel, request: Upward): void;
}

/**
 * Which logic server a channel's requests go to, in the order they came. A channel stays with its server until that is
 * gone, or draining with nothing left to answer. What the next server does not take yet waits at the gateway:
 *
 *   sent ──link closed──► waits ──another server──► sent again, in order, with its key
 *   sent to a KIM server: never again, it knows no keys and would store it twice
 *   new, while others wait, or without a server ──► waits ──time over──► 302 (only what no server has had)
 */
export class Forwarding {
  readonly #deps: ForwardingDeps;
  readonly #selector: Selector;
  readonly #again: Counter;
  /** Channels with something that waits to be sent. */
  readonly #waiting = new Set<ClientChannel>();

  constructor(deps: ForwardingDeps) {
    this.#deps = deps;
    this.#selector = new Selector(deps);
    this.#again = deps.metrics.counter(
      "petrel_reforwarded_total",
      "Requests forwarded again after a logic server went",
    );
  }

  /** Are there only servers that cannot read such bodies? */
  cannotRead(content: Content): boolean {
    return this.ready && this.#selector.pick("", "", content) === undefined;
  }

  /** Is there a logic server to forward to? */
  get ready(): boolean {
    return this.anyLink("") !== undefined;
  }

  /** A server for what belongs to no channel; the text spreads. */
  anyLink(spread: string): Uplink | undefined {
    return this.#selector.pick("", spread);
  }

  /** Channels with something that waits to be sent. */
  get waiting(): number {
    return this.#waiting.size;
  }

  add(link: Uplink): void {
    this.#selector.add(link);
  }

  /** A link's state is another one: channels that it had and can leave it do. */
  changed(link: Uplink, channels: Iterable<ClientChannel>): void {
    if (link.state === "closed") this.#selector.remove(link);
    else this.#selector.changed();
    this.settle(channels);
  }

  /** Gives a server to every channel that has none, or can leave it; what waits goes on. */
  settle(channels: Iterable<ClientChannel>): void {
    for (const channel of channels) {
      if (isOpen(channel.link)) continue;
      this.flush(channel);
      if (!isOpen(channel.link)) this.linkOf(channel);
    }
  }

  /** False: no server takes the login now. */
  login(channel: ClientChannel, request: Upward): boolean {
    const link = this.#selector.pick(channel.app, channel.account, channel.content);
    if (!link?.send(request)) return false;
    channel.link = link;
    channel.login = request;
    return true;
  }

  /** False: the server is full; the request was not taken. Otherwise it is sent, or waits its turn. */
  forward(channel: ClientChannel, request: Upward): boolean {
    // hot: per request
    const { unanswered } = channel;
    if (channel.link?.state === "closed") this.#startAgain(channel); // nothing may overtake what was sent there
    if (unanswered.allSent) {
      const link = this.linkOf(channel);
      if (link) {
        if (!link.send(request)) return false;
        if (!link.kim) unanswered.addSent(request);
        return true;
      }
    }
    unanswered.add(request);
    this.#waiting.add(channel);
    return true;
  }

  /** Where the next request of this channel may go now; undefined: it has to wait. */
  linkOf(channel: ClientChannel): Uplink | undefined {
    // hot: per request
    const { link } = channel;
    if (link?.state === "open") return link;
    if (link?.state === "closed") this.#startAgain(channel);
    const next = this.#selector.pick(channel.app, channel.account, channel.content);
    if (link?.state !== "draining") return channel.link = next;
    if (!next) return link; // better than none
    if (channel.state === "login" || channel.outstanding) return undefined;
    return channel.link = next;
  }

  /** Sends what waits, in order, as far as it is taken. */
  flush(channel: ClientChannel): void {
    if (channel.link?.state === "closed") this.#startAgain(channel);
    const done = channel.state === "login" ? this.#flushLogin(channel) : this.#flushRequests(channel);
    if (done) this.#waiting.delete(channel);
    else this.#waiting.add(channel);
  }

  /** An answer came: what waited for it goes on. */
  answered(channel: ClientChannel): void {
    // hot: per answer
    if (this.#waiting.size > 0 && this.#waiting.has(channel)) this.flush(channel);
  }

  forget(channel: ClientChannel): void {
    this.#waiting.delete(channel);
  }

  /** Tries again what was not taken, and refuses what has waited too long. */
  tick(nowMs: number): void {
    if (this.#waiting.size === 0) return;
    const { ready } = this;
    for (const channel of this.#waiting) {
      if (ready) this.flush(channel);
      if (!this.#waiting.has(channel)) continue;
      for (let late; (late = channel.takeLate(nowMs));) this.#deps.refuseLate(channel, late);
    }
  }

  #startAgain(channel: ClientChannel): void {
    channel.link = undefined;
    channel.startAgain();
  }

  /** A login whose server went is tried at another; how long it may take is the gateway's affair. */
  #flushLogin(channel: ClientChannel): boolean {
    const { login } = channel;
    if (!login || channel.link) return true;
    const link = this.linkOf(channel);
    if (link?.kim) return true; // it would put itself out
    if (!link?.send({ ...login, again: true })) {
      channel.link = undefined;
      return false;
    }
    this.#again.inc();
    return true;
  }

  #flushRequests(channel: ClientChannel): boolean {
    if (!channel.waitsForAnswers) return true;
    const { unanswered } = channel;
    for (let due; (due = unanswered.due);) {
      const { request, again } = due;
      if (again && this.#deps.clock.mono() > request.startBy + KEYS_MS) {
        // Nobody can tell any more whether it is stored: there is no answer.
        channel.agent.close(CLOSE.INTERNAL);
        return true;
      }
      const link = this.linkOf(channel);
      if (!link?.send(again ? { ...request, again } : request)) return false;
      if (again) this.#again.inc();
      unanswered.sentDue();
      if (link.kim && request.key) unanswered.answered(request.key.n);
    }
    return true;
  }
}

function isOpen(link: Uplink | undefined): boolean {
  return link?.state === "open";
}
