import { Deadline } from "../../base/timer_wheel.ts";
import type { SocketEvents } from "../../comm/ports.ts";
import type { ConnEnv } from "../../comm/stream_conn.ts";
import { BunSocket, socketHandler } from "./tcp_socket.ts";

/** What becomes of a TLS handshake, told once. */
export interface HandshakeOutcome {
  /** Whom to give the stream to. */
  done(socket: BunSocket): void;
  /** It is destroyed; undefined: it ended, or took too long. */
  failed?(why: Error | undefined): void;
}

/**
 * One object for all TLS streams of a listener or dialler. `open` makes the stream known when its bytes may flow, and
 * says whether there is room for it; `outcome` is asked for after the handshake, for which there are `waitMs`.
 */
export function tlsHandler(
  env: ConnEnv,
  waitMs: number,
  outcome: HandshakeOutcome,
  open: (socket: BunSocket) => boolean = () => true,
): Bun.SocketHandler<BunSocket> {
  return {
    ...socketHandler((made) => {
      made.events = new Handshake(made, env, waitMs, outcome);
      if (!open(made)) made.destroy();
    }),
    handshake({ data: made }, done, why) {
      const { events } = made;
      if (events instanceof Handshake) events.over(done, why ?? undefined); // else a second one, on an open stream
    },
  };
}

/** The owner of a stream until its handshake is over. */
class Handshake extends Deadline implements SocketEvents {
  readonly #socket: BunSocket;
  readonly #env: ConnEnv;
  readonly #outcome: HandshakeOutcome;
  #over = false;

  constructor(socket: BunSocket, env: ConnEnv, waitMs: number, outcome: HandshakeOutcome) {
    super();
    this.#socket = socket;
    this.#env = env;
    this.#outcome = outcome;
    env.wheel.wakeIn(this, waitMs);
  }

  over(done: boolean, why: Error | undefined): void {
    if (this.#over) return;
    this.#over = true;
    this.#env.wheel.remove(this);
    if (done) return this.#outcome.done(this.#socket);
    this.#outcome.failed?.(why);
    this.#socket.destroy();
  }

  data(): void {}
  drained(): void {}

  closed(): void {
    this.over(false, undefined);
  }

  expired(): void {
    this.#socket.destroy();
  }
}
