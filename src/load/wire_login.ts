import { statusName } from "../protocol/status.ts";
import { decodePacket, encodePacket, FLAG, type Packet } from "./packet.ts";
import { Message, MessageWriter } from "./proto.ts";
import type { WireConn, WireSink } from "./wire_conn.ts";

/** How a login is asked for. The defaults are what an old client says. */
export interface LoginOptions {
  readonly timeoutMs?: number;
  readonly tags?: readonly string[];
  /** Header metas, e.g. `im.caps` and `im.device`. */
  readonly meta?: ReadonlyMap<string, string>;
  /** Where our clients resume: fields 100 and 101. */
  readonly cursor?: number;
  readonly epoch?: string;
}

/** What the server said to a login. */
export interface LoginAnswer {
  /** 0: logged in. */
  readonly status: number;
  readonly channelId: string;
  readonly account: string;
  /** The message after a refusal, "" when there is none. */
  readonly error: string;
  /** The whole LoginResp, for fields above 99. */
  readonly body: Message;
}

/**
 * Sends `login.signin` and waits for its answer, which must be the first packet. From the packet after it on, `sink`
 * gets everything. @throws {Error} no answer in time, connection closed, or something else came first.
 */
export async function login(
  conn: WireConn,
  token: string,
  sink: WireSink,
  options: LoginOptions = {},
): Promise<LoginAnswer> {
  const body = new MessageWriter().text(1, token);
  for (const tag of options.tags ?? []) body.text(4, tag);
  body.int(100, options.cursor ?? 0).text(101, options.epoch ?? "");
  const timeoutMs = options.timeoutMs ?? 10_000;
  let timer: ReturnType<typeof setTimeout> | undefined;
  const answer = new Promise<Packet>((resolve, reject) => {
    timer = setTimeout(() => {
      conn.destroy();
      reject(new Error(`Cannot log in at ${conn.url.text}: no answer in ${timeoutMs} ms`));
    }, timeoutMs);
    conn.sink = {
      packet(bytes, start, end) {
        conn.sink = sink;
        try {
          const packet = decodePacket(bytes.subarray(start, end));
          if (packet === undefined) throw new Error("the first packet is a BasicPkt");
          resolve(packet);
        } catch (cause) {
          reject(new Error(`Cannot log in at ${conn.url.text}: ${(cause as Error).message}`, { cause }));
        }
      },
      closed(why) {
        reject(new Error(`Cannot log in at ${conn.url.text}: ${why} before the answer`));
        sink.closed(why);
      },
    };
  });
  if (conn.closedWhy !== "") conn.sink.closed(conn.closedWhy);
  conn.send(
    encodePacket({ command: "login.signin", sequence: 1, meta: options.meta ?? new Map(), body: body.done() }),
  );
  try {
    return readAnswer(conn, await answer);
  } finally {
    clearTimeout(timer);
  }
}

/** As `login`, but a refusal is thrown as well, with what to do about it. */
export async function loginOrThrow(
  conn: WireConn,
  token: string,
  sink: WireSink,
  options: LoginOptions = {},
): Promise<LoginAnswer> {
  const answer = await login(conn, token, sink, options);
  if (answer.status === 0) return answer;
  const name = statusName(answer.status) ?? "unknown";
  const hint = answer.status === 105 ? ". Is the secret (--secret, --secret-file) the server's?" : "";
  const text = answer.error === "" ? "" : ` "${answer.error}"`;
  throw new Error(`Login refused at ${conn.url.text}: status ${answer.status} (${name})${text}${hint}`);
}

function readAnswer(conn: WireConn, packet: Packet): LoginAnswer {
  if (packet.status !== 0) {
    const error = packet.body.length > 0 ? new Message(packet.body).text(1) : "";
    return { status: packet.status, channelId: "", account: "", error, body: new Message(new Uint8Array(0)) };
  }
  if (packet.command !== "login.signin" || packet.flag !== FLAG.RESPONSE) {
    throw new Error(`Cannot log in at ${conn.url.text}: first packet is ${packet.command}, flag ${packet.flag}`);
  }
  const body = new Message(packet.body);
  return { status: 0, channelId: body.text(1), account: body.text(2), error: "", body };
}
