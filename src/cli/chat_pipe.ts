import { createInterface } from "node:readline";
import type { ImError } from "../base/errors.ts";
import type { PetrelClient } from "../sdk/client.ts";
import type { SentMessage } from "../sdk/sent_message.ts";
import { type ChatLines, clean, type Where } from "./chat_line.ts";

/** Lines that are read ahead of what is durable. */
const AHEAD = 200;

/** Where output goes: messages, and everything else. Each call is one line. */
export interface PipeOutput {
  line(text: string): void;
  note(text: string): void;
}

/**
 * A chat without a terminal: every line of the input is sent as a message, messages that come are printed. Resolves
 * when the input has ended and everything is settled: 0, or 1 when one message failed or the server ended it.
 */
export async function chatPipe(
  client: PetrelClient,
  where: Where,
  lines: ChatLines,
  input: NodeJS.ReadableStream,
  output: PipeOutput,
): Promise<number> {
  client.on("state", ({ state, retryInMs, why }) => {
    if (state === "offline" && retryInMs !== undefined) {
      output.note(`offline (${clean(why?.reason ?? "")}), retrying in ${(retryInMs / 1_000).toFixed(1)} s`);
    } else if (state !== "closed") output.note(state);
  });
  client.on("sent", (message) => {
    if (message.state !== "sending") output.line(lines.sent(message, where));
  });
  client.onMessage((message) => output.line(lines.message(message, where)));
  try {
    await client.login();
  } catch (thrown) {
    output.note((thrown as ImError).message);
    return 1;
  }
  const sent: SentMessage[] = [];
  let failed = false;
  const settle = async (most: number) => {
    while (sent.length > most) failed = await sent.shift()!.done.then(() => failed, () => true);
  };
  const reader = createInterface({ input, crlfDelay: Infinity });
  let ended = false;
  const unwatch = client.on("closed", ({ error }) => { // what comes now can be sent no more
    ended = true;
    output.note(clean(error.message));
    reader.close();
  });
  for await (const line of reader) {
    if (ended) break;
    if (line.trim() === "") continue;
    sent.push(client.talk(where.peer, line, { group: where.group }));
    await settle(AHEAD);
  }
  await settle(0);
  unwatch();
  await client.close();
  return failed || ended ? 1 : 0;
}
