import { ImError } from "../base/errors.ts";
import type { Socket, SocketEvents } from "./ports.ts";

/** A response head is not read further than this. */
const HEAD_BYTES = 8 << 10;

export interface OpeningRequest {
  /** `127.0.0.1:8000` */
  readonly host: string;
  /** Path and query. */
  readonly target: string;
  /** 16 random bytes in base64. */
  readonly key: string;
  /** What the server has to answer for that key (RFC 6455 section 4.2.2). */
  readonly accept: string;
}

/** What becomes of an opening, told once. */
export interface OpeningOutcome {
  /** The server agreed: gives the owner of the stream from now on, and then gets what came behind the head. */
  opened(): SocketEvents;
  /** It did not, or the stream ended first. */
  refused(error: ImError): void;
}

/** The client's half of RFC 6455 section 4.1 over a byte stream; afterwards it hands all events on. */
export class WsOpening implements SocketEvents {
  readonly #socket: Socket;
  readonly #request: OpeningRequest;
  readonly #outcome: OpeningOutcome;
  #head = "";
  #owner: SocketEvents | undefined;
  #over = false;

  constructor(socket: Socket, request: OpeningRequest, outcome: OpeningOutcome) {
    this.#socket = socket;
    this.#request = request;
    this.#outcome = outcome;
  }

  begin(): void {
    const { host, target, key } = this.#request;
    const lines = [
      `GET ${target} HTTP/1.1`,
      `Host: ${host}`,
      "Upgrade: websocket",
      "Connection: Upgrade",
      `Sec-WebSocket-Key: ${key}`,
      "Sec-WebSocket-Version: 13",
    ];
    this.#socket.write(new TextEncoder().encode(lines.join("\r\n") + "\r\n\r\n"));
  }

  data(bytes: Uint8Array): void {
    if (this.#owner) return this.#owner.data(bytes);
    if (this.#over) return;
    for (let i = 0; i < bytes.length; i++) {
      this.#head += String.fromCharCode(bytes[i]!);
      if (this.#head.endsWith("\r\n\r\n")) return this.#answered(bytes.subarray(i + 1));
      if (this.#head.length === HEAD_BYTES) return this.#refuse(`the answer's head is over ${HEAD_BYTES} bytes`);
    }
  }

  drained(): void {
    this.#owner?.drained();
  }

  closed(): void {
    if (this.#owner) return this.#owner.closed();
    this.#refuse("the connection ended before the answer");
  }

  #answered(rest: Uint8Array): void {
    const problem = refusalIn(this.#head, this.#request.accept);
    if (problem !== undefined) return this.#refuse(problem);
    this.#owner = this.#outcome.opened();
    if (rest.length > 0) this.#owner.data(rest);
  }

  #refuse(problem: string): void {
    if (this.#over) return;
    this.#over = true;
    this.#outcome.refused(new ImError("CLOSED", `Cannot open WebSocket at ${this.#request.host}: ${problem}`));
    this.#socket.destroy();
  }
}

/** What is wrong with a response head; undefined when it agrees to the upgrade. */
function refusalIn(head: string, accept: string): string | undefined {
  const [status = "", ...lines] = head.split("\r\n");
  if (!/^HTTP\/1\.1 101( |$)/.test(status)) return `the answer is ${status}`;
  const headers = new Map<string, string>();
  for (const line of lines) {
    const colon = line.indexOf(":");
    if (colon > 0) headers.set(line.slice(0, colon).toLowerCase(), line.slice(colon + 1).trim());
  }
  if (headers.get("upgrade")?.toLowerCase() !== "websocket") return "Upgrade is not websocket";
  if (!/(^|,)\s*upgrade\s*(,|$)/i.test(headers.get("connection") ?? "")) return "Connection is not Upgrade";
  if (headers.get("sec-websocket-accept") !== accept) return "Sec-WebSocket-Accept does not fit the key";
  if (headers.has("sec-websocket-extensions")) return "an extension was chosen that was not offered";
  if (headers.has("sec-websocket-protocol")) return "a subprotocol was chosen that was not offered";
  return undefined;
}
