import net from "node:net";

const HOST = "127.0.0.1";
const ANSWER_MS = 2_000;

/** What a Redis of this machine (its port or socket) answers to a line. @throws {Error} it does not answer, or refuses. */
export function redisCommand(at: number | string, line: string): Promise<string> {
  return new Promise((resolve, reject) => {
    const fail = (why: string) => {
      socket.destroy();
      reject(new Error(`Cannot ask Redis for ${line}: ${why}`));
    };
    const socket = net.connect(typeof at === "string" ? { path: at } : { host: HOST, port: at });
    socket.once("connect", () => socket.write(`${line}\r\n`));
    const timer = setTimeout(() => fail("no answer"), ANSWER_MS);
    let text = "";
    socket.on("data", (bytes: Uint8Array) => {
      text += new TextDecoder().decode(bytes);
      if (text.startsWith("-")) return fail(text.trim());
      if (!isWhole(text)) return;
      clearTimeout(timer);
      socket.destroy();
      resolve(text);
    });
    socket.on("error", (error) => fail(error.message));
    socket.on("close", () => {
      clearTimeout(timer);
      fail("closed");
    });
  });
}

/** The leases of gateways that a Redis keeps: each stands for the sessions of one run of a gateway. */
export async function leasesIn(port: number): Promise<ReadonlySet<string>> {
  return new Set((await redisCommand(port, "KEYS petrel:lease:gate*")).match(/petrel:lease:gate\S+/g));
}

/** A line, or a list of as many texts as its head says. */
function isWhole(text: string): boolean {
  if (!text.endsWith("\r\n")) return false;
  return !text.startsWith("*") || text.split("\r\n").length - 2 === 2 * Number(text.slice(1, text.indexOf("\r\n")));
}
