import type { BackoffOptions } from "../../base/backoff.ts";
import type { Clock, Timer } from "../../base/clock.ts";
import { ImError } from "../../base/errors.ts";
import type { LogFields, Logger } from "../../base/logger.ts";
import { Client } from "../../comm/client.ts";
import type { Agent } from "../../comm/listeners.ts";
import type { Dial } from "../../comm/ports.ts";
import type { Hmac } from "../../protocol/claims.ts";
import { CLOSE, type CloseReason } from "../../protocol/close_reason.ts";
import { DRAIN } from "../../protocol/commands.ts";
import { STATUS } from "../../protocol/status.ts";
import type { DialledLink } from "../discovery.ts";
import type { Downward, LinkGateway, Uplink } from "../link.ts";
import { ClientLink, type ClientLinkHost } from "./client_link.ts";
import { decodeDown } from "./down_codec.ts";
import { helloBytes, readAnswer } from "./handshake.ts";
import { BEAT_MS, PETREL_PULSE, type PulseTimes } from "./pulse.ts";
import { RareLog } from "./rare_log.ts";

/** Times in ms, sizes in bytes. */
export interface LinkClientOptions {
  readonly gateId: string;
  /** This run of the gateway's process. */
  readonly incarnation: string;
  /** The logic server that is expected there. */
  readonly logicId: string;
  /** `tcp://host:port`, or `tcp+unix:/path`. */
  readonly url: string;
  /** The zone it registered with; "" for none. */
  readonly zone: string;
  /** Monotonic ms until which it is young; 0: never. */
  readonly youngUntilMs: number;
  /**
   * Who is there: "petrel" must answer the handshake, "kim" gets KIM's handshake and gives no answer, "either" is taken
   * for KIM when there is no answer in `kimAfterMs`.
   */
  readonly peer: "petrel" | "kim" | "either";
  readonly kimAfterMs: number;
  readonly answerMs: number;
  readonly dialMs: number;
  /** When more waits, requests are refused as busy. */
  readonly queueBytes: number;
  readonly pulse: PulseTimes;
  readonly backoff: BackoffOptions;
}

type Named = Pick<LinkClientOptions, "gateId" | "incarnation" | "logicId" | "url">;

export const LINK_CLIENT_DEFAULTS: Omit<LinkClientOptions, keyof Named> = {
  zone: "",
  youngUntilMs: 0,
  peer: "petrel",
  kimAfterMs: 1_000,
  answerMs: 5_000,
  dialMs: 5_000,
  queueBytes: 8 << 20,
  pulse: PETREL_PULSE,
  backoff: { baseMs: 100, maxMs: 5_000 },
};

export interface LinkClientDeps {
  readonly clock: Clock;
  readonly log: Logger;
  readonly dial: Dial;
  /** From 0 up to, not including, 1. */
  readonly random: () => number;
  readonly gateway: LinkGateway;
  /** HMAC-SHA256 with the cluster secret. */
  readonly sign?: Hmac | undefined;
  /** The link has ended for good: it was not to be dialled again, or was stopped. */
  readonly ended?: (() => void) | undefined;
}

/** What waits closes no link here: `ClientLink` decides on each packet, its pulse on silence. */
const RULES = { pushBytes: Infinity, replyBytes: Infinity, oldestMs: 10_000, readWaitMs: 180_000 } as const;

/**
 * A gateway's link to one logic server: dials it, makes the handshake, dials again when it ends. The gateway gets another
 * Uplink for each connection. Source: proto/WIRE.md "Link".
 *
 *   dialling ──► greeting ──answer, or KIM──► linked ──ended──► waiting ──back-off──► dialling …
 *                    └──refused, silent, garbage──────────────────┘      stop() from anywhere: the end
 */
export class LinkClient implements ClientLinkHost, DialledLink, AsyncDisposable {
  readonly clock: Clock;
  readonly logicId: string;
  readonly zone: string;
  readonly pulse: PulseTimes;
  readonly queueBytes: number;
  readonly #options: LinkClientOptions;
  readonly #gateway: LinkGateway;
  readonly #sign: Hmac | undefined;
  readonly #log: Logger;
  readonly #rare: RareLog;
  readonly #client: Client;
  readonly #ended: () => void;
  #link: ClientLink | undefined;
  /** Is another attempt wanted when this one ends? */
  #keep = true;
  #over = false;
  /** What is to be said of this attempt if it ends now, and of the one before. */
  #attempt: string | undefined;
  #problem: string | undefined;
  #greeting: Timer | undefined;
  #beat: Timer | undefined;

  constructor(options: Partial<LinkClientOptions> & Named, deps: LinkClientDeps) {
    const all: LinkClientOptions = { ...LINK_CLIENT_DEFAULTS, ...options };
    const { clock, log, dial, random, gateway, sign, ended } = deps;
    this.#options = all;
    this.clock = clock;
    this.logicId = all.logicId;
    this.zone = all.zone;
    this.pulse = all.pulse;
    this.queueBytes = all.queueBytes;
    this.#gateway = gateway;
    this.#sign = sign;
    this.#ended = ended ?? (() => {});
    this.#log = log;
    this.#rare = new RareLog(clock, log);
    this.#client = new Client({
      id: all.logicId,
      heartbeatMs: 0,
      dialWaitMs: all.dialMs,
      rules: RULES,
      reconnect: all.backoff,
      reconnectAlways: true,
    }, {
      clock,
      // A server that is not there is told of now and then, not at each attempt.
      log: this.#rare.logger(all.logicId),
      dial,
      random,
      dialer: { url: () => this.#url(), greet: (agent) => this.#greet(agent) },
      listener: {
        receive: (agent, packet) => void this.#receive(agent, packet),
        disconnected: (why) => this.#disconnected(why),
      },
    });
  }

  get youngUntilMs(): number {
    return this.#options.youngUntilMs;
  }

  /** The link as it is now; undefined: there is none. */
  get uplink(): Uplink | undefined {
    return this.#link;
  }

  get state(): "dialling" | "open" | "draining" | "closed" {
    return this.#over ? "closed" : this.#link?.state ?? "dialling";
  }

  get problem(): string | undefined {
    return this.#problem;
  }

  /** Begins to dial. */
  start(): void {
    this.#client.start();
  }

  keepDialling(on: boolean): void {
    this.#keep = on;
    if (!on && !this.#link) void this.stop();
  }

  /** Ends the link and does not come back. Calling it again is harmless. */
  async stop(): Promise<void> {
    const first = !this.#over;
    this.#over = true;
    this.#end(CLOSE.NORMAL);
    if (first) this.#ended();
    await this.#client.stop();
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.stop();
  }

  // ---- the handshake

  #url(): string {
    const { url } = this.#options;
    this.#attempt = `nobody answers at ${url}`;
    return url;
  }

  #greet(agent: Agent): void {
    this.#attempt = "it ended the connection instead of answering the handshake";
    const { gateId, incarnation, peer, kimAfterMs, answerMs } = this.#options;
    agent.push(helloBytes(gateId, peer === "kim" ? "" : incarnation, this.clock.now(), this.#sign));
    if (peer === "kim") return this.#up(agent, true);
    this.#greeting = this.clock.after(peer === "either" ? kimAfterMs : answerMs, () => {
      if (peer === "either") return this.#up(agent, true);
      this.#fail(agent, "link failed: no answer to the handshake, is it a KIM server, or too busy?");
    });
  }

  /** The first packet of a server that must answer. */
  #answered(agent: Agent, packet: Uint8Array): void {
    const answer = readAnswer(packet);
    const { logicId } = this.#options;
    if (!answer) this.#fail(agent, "link failed: the answer to the handshake says nothing");
    else if (answer.Code !== STATUS.SUCCESS.wire) {
      const why = answer.Error;
      this.#fail(agent, "link refused by the logic server", { code: answer.Code, why }, `it refuses the link: ${why}`);
    } else if (answer.serviceId !== logicId) {
      this.#fail(agent, "link failed: another server answers there", { answers: answer.serviceId });
    } else this.#up(agent, false);
  }

  #fail(agent: Agent, what: string, more: LogFields = {}, problem = what): void {
    this.#greeting?.stop();
    this.#attempt = problem;
    this.#warn(what, more);
    agent.close(CLOSE.NORMAL);
  }

  #up(agent: Agent, kim: boolean): void {
    this.#greeting?.stop();
    this.#attempt = this.#problem = undefined;
    const link = this.#link = new ClientLink(agent, kim, this);
    this.#beat = this.clock.every(BEAT_MS, () => this.#beats(link));
    const { logicId, url } = this.#options;
    this.#log.info("link up", { logicId, url, kim });
    this.#gateway.attach(link);
  }

  // ---- a link's life

  #receive(agent: Agent, packet: Uint8Array): void {
    // hot: per packet
    const link = this.#link;
    if (!link) return this.#answered(agent, packet);
    if (link.pulse.stalled(this.clock.mono())) return this.#cut("link cut: this process stood still");
    let answer: Downward | undefined;
    try {
      answer = decodeDown(packet, this.#options.gateId, link.kim);
    } catch (thrown) {
      return this.#cut("link cut: what came is no packet", { error: ImError.from(thrown) });
    }
    if (!answer) return this.#foreign(link);
    if (answer.header.command !== DRAIN || link.kim) return this.#gateway.down(answer, link);
    if (!link.drain()) return;
    this.#log.info("link draining", { logicId: this.#options.logicId });
    this.#gateway.changed(link);
  }

  /** For another gateway: Petrel's servers never do that. KIM's do when a push goes to several gateways. */
  #foreign(link: ClientLink): void {
    if (link.kim) return this.#warn("packet for another gateway dropped");
    this.#cut("link cut: what came is for another gateway");
  }

  #beats(link: ClientLink): void {
    const why = link.pulse.beat();
    if (why === "stalled") this.#cut("link cut: this process stood still");
    else if (why === "silent") this.#cut("link cut: nothing was heard");
    else this.#client.worked(); // not before: a server that cuts what it took is dialled later each time
  }

  #cut(what: string, more: LogFields = {}): void {
    this.#warn(what, more);
    this.#end(CLOSE.GONE);
  }

  #end(why: CloseReason): void {
    const link = this.#link;
    this.#greeting?.stop();
    this.#beat?.stop();
    this.#link = undefined;
    if (link?.end(why)) this.#gateway.changed(link);
  }

  #disconnected(why: CloseReason): void {
    const quiet = why === CLOSE.GONE || why === CLOSE.SHUTDOWN || why === CLOSE.NORMAL;
    if (this.#link && !quiet) this.#warn(`link cut: ${why.reason}`);
    else if (this.#link) this.#log.info("link down", { logicId: this.#options.logicId, why: why.reason });
    this.#end(why);
    this.#problem = this.#attempt;
    if (!this.#keep && !this.#over) void this.stop();
  }

  #warn(what: string, more: LogFields = {}): void {
    const { logicId, url } = this.#options;
    this.#rare.warn(what, logicId, { logicId, url, ...more });
  }
}
