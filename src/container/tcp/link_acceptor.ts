import { type Clock, sleep } from "../../base/clock.ts";
import type { Counter } from "../../base/metrics.ts";
import type { Acceptor, Admission, Refusal } from "../../comm/acceptor.ts";
import type { Agent } from "../../comm/listeners.ts";
import type { Hmac } from "../../protocol/claims.ts";
import { CLOSE } from "../../protocol/close_reason.ts";
import { answerBytes, checkHello, type Hello, readHello } from "./handshake.ts";
import type { RareLog } from "./rare_log.ts";
import type { ServerLink } from "./server_link.ts";

/** What an acceptor asks of the server it belongs to. */
export interface LinkAcceptorHost {
  readonly serviceId: string;
  readonly clock: Clock;
  /** HMAC-SHA256 with the cluster secret; undefined: there is none, and everybody is let in. */
  readonly sign: Hmac | undefined;
  readonly isKimPeer: (ip: string) => boolean;
  /** How long a linked gateway has to show life when another one comes with its id, ms. */
  readonly probeMs: number;
  readonly log: RareLog;
  readonly refused: Counter;
  find(gateId: string): ServerLink | undefined;
  make(hello: Hello, agent: Agent): ServerLink;
}

/** `heardMs` may be so much too early. */
const HEARD_MS = 100;

/**
 * Decides on the first frame of a link: who it is, whether it knows the cluster secret, and, when that id is linked
 * already, which of the two stays. Source: proto/WIRE.md "Handshake".
 *
 *   same incarnation, not older ──► replaces       another one ──► the old link is pinged: alive ──► refused
 *                                                                                           silent ──► replaced
 */
export class LinkAcceptor implements Acceptor<ServerLink> {
  readonly #host: LinkAcceptorHost;

  constructor(host: LinkAcceptorHost) {
    this.#host = host;
  }

  accept(agent: Agent, packet: Uint8Array): Admission<ServerLink> | Refusal | Promise<Admission<ServerLink> | Refusal> {
    const hello = readHello(packet);
    if (!hello) {
      this.#host.refused.inc();
      this.#host.log.warn("link refused: the first frame is no handshake", agent.remoteIp, { remote: agent.remote });
      return { refuse: CLOSE.BAD_DATA };
    }
    const why = this.#why(hello, agent.remoteIp);
    if (why !== undefined) return this.#refuse(hello, agent, why);
    const old = this.#host.find(hello.gateId);
    const replaces = !old || (old.incarnation === hello.incarnation && !old.kim && hello.timeMs >= old.timeMs);
    return replaces ? this.#admit(hello, agent) : this.#probe(old, hello, agent);
  }

  /** Why this gateway may not link; undefined: it may. */
  #why(hello: Hello, remoteIp: string): string | undefined {
    const { sign, isKimPeer, clock } = this.#host;
    if (!sign || (hello.proof === "" && isKimPeer(remoteIp))) return undefined;
    return checkHello(hello, clock.now(), sign);
  }

  async #probe(old: ServerLink, hello: Hello, agent: Agent): Promise<Admission<ServerLink> | Refusal> {
    const { clock, probeMs } = this.#host;
    const sinceMs = clock.mono();
    old.agent.ping();
    await sleep(clock, probeMs);
    const now = this.#host.find(hello.gateId);
    if (now && (now !== old || old.agent.heardMs >= sinceMs - HEARD_MS)) {
      return this.#refuse(hello, agent, `another gateway with this id is linked, from ${now.agent.remote}`);
    }
    return this.#admit(hello, agent);
  }

  #admit(hello: Hello, agent: Agent): Admission<ServerLink> {
    if (hello.incarnation !== "") agent.push(answerBytes(this.#host.serviceId));
    return { id: hello.gateId, data: this.#host.make(hello, agent), replace: true };
  }

  /** A KIM gateway gets no answer, as from its own chat servers. */
  #refuse(hello: Hello, agent: Agent, why: string): Refusal {
    const { log, refused, serviceId } = this.#host;
    const { gateId, incarnation } = hello;
    refused.inc();
    log.warn(`link refused: ${why.replace(/,? (from|by) .*/, "")}`, gateId, { gateId, remote: agent.remote, why });
    if (incarnation === "") return { refuse: CLOSE.UNAUTHORIZED };
    return { refuse: CLOSE.UNAUTHORIZED, reply: answerBytes(serviceId, why) };
  }
}
