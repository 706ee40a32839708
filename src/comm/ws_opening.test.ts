import { describe, expect, test } from "bun:test";
import { pipe, type PipeEnd } from "../runtime/memory/mod.ts";
import type { SocketEvents } from "./ports.ts";
import { WsOpening } from "./ws_opening.ts";

const AGREED = "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n" +
  "Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n";
const settle = () => new Promise((resolve) => setTimeout(resolve, 0));

/** A client whose opening is under way, and the server's end of the stream. */
function open(cut?: (waiting: number) => number) {
  const [far, near] = pipe(cut ? { cut } : {});
  const outcomes: string[] = [];
  let request = "";
  const owner: SocketEvents = {
    data: (bytes) => void outcomes.push(`data ${new TextDecoder().decode(bytes)}`),
    drained: () => {},
    closed: () => void outcomes.push("closed"),
  };
  far.events = { data: (bytes) => void (request += new TextDecoder().decode(bytes)), drained() {}, closed() {} };
  const opening = new WsOpening(near, {
    host: "127.0.0.1:8000",
    target: "/path?q=1",
    key: "dGhlIHNhbXBsZSBub25jZQ==",
    accept: "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=", // the example of RFC 6455 section 1.3
  }, {
    opened: () => (outcomes.push("opened"), owner),
    refused: (error) => void outcomes.push(error.message),
  });
  near.events = opening;
  opening.begin();
  return { far: far as PipeEnd, outcomes, request: () => request };
}

const say = (end: PipeEnd, text: string) => end.write(new TextEncoder().encode(text));

describe("WsOpening", () => {
  test("asks as RFC 6455 section 4.1 says", async () => {
    const { request } = open();
    await settle();
    expect(request().split("\r\n")).toEqual([
      "GET /path?q=1 HTTP/1.1",
      "Host: 127.0.0.1:8000",
      "Upgrade: websocket",
      "Connection: Upgrade",
      "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==",
      "Sec-WebSocket-Version: 13",
      "",
      "",
    ]);
  });

  test.each([1, 7, 1_000])("opens, and what came behind the head is the first data (pieces of %d)", async (size) => {
    const { far, outcomes } = open(() => size);
    say(far, AGREED + "\r\nframes");
    await settle();
    far.end();
    await settle();
    expect(outcomes[0]).toBe("opened");
    expect(outcomes.slice(1, -1).map((line) => line.slice(5)).join("")).toBe("frames");
    expect(outcomes.at(-1)).toBe("closed");
  });

  test.each(
    [
      ["HTTP/1.1 503 Service Unavailable\r\nRetry-After: 5\r\n\r\n", "the answer is HTTP/1.1 503 Service Unavailable"],
      ["HTTP/1.0 101 Switching Protocols\r\n\r\n", "the answer is HTTP/1.0 101"],
      [AGREED.replace("websocket", "h2c") + "\r\n", "Upgrade is not websocket"],
      [AGREED.replace("Connection: Upgrade", "Connection: close") + "\r\n", "Connection is not Upgrade"],
      [AGREED.replace("s3p", "S3p") + "\r\n", "does not fit the key"],
      [AGREED + "Sec-WebSocket-Extensions: permessage-deflate\r\n\r\n", "an extension was chosen"],
      [AGREED + "Sec-WebSocket-Protocol: chat\r\n\r\n", "a subprotocol was chosen"],
      [`${AGREED}X: ${"x".repeat(8 << 10)}`, "over 8192 bytes"],
    ],
  )("refuses an answer (%#) and drops the stream", async (answer, problem) => {
    const { far, outcomes } = open();
    let dropped = false;
    far.events = { data() {}, drained() {}, closed: () => void (dropped = true) };
    say(far, answer);
    await settle();
    expect(outcomes.length).toBe(1);
    expect(outcomes[0]).toContain(problem);
    expect(dropped).toBe(true);
  });

  test("a stream that ends before the answer is told once", async () => {
    const { far, outcomes } = open();
    far.destroy();
    await settle();
    expect(outcomes).toEqual(["Cannot open WebSocket at 127.0.0.1:8000: the connection ended before the answer"]);
  });
});
