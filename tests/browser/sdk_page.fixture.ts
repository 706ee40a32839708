/** Runs inside the browser: one client of the SDK, and what it did. Bundled and served by sdk_tab.ts. */
import { type ClientOptions, type Message, PetrelClient, type SentMessage } from "../../src/sdk/mod.ts";

export interface PageOptions {
  readonly url: string;
  readonly token: string;
  readonly device?: string;
}

export interface SeenMessage {
  readonly id: string;
  readonly body: string;
  readonly sender: string;
  readonly peer: string;
  readonly own: boolean;
  readonly pos: number;
  /** Milliseconds since 1970, as the server says. */
  readonly sentMs: number;
}

export interface SeenSent {
  readonly id: string;
  readonly body: string;
  readonly state: string;
  readonly error: string | undefined;
}

export interface PageState {
  readonly state: string;
  readonly account: string;
  readonly received: readonly SeenMessage[];
  readonly sent: readonly SeenSent[];
  /** How often it came online. */
  readonly logins: number;
  /** Names of other events than "state", in order. */
  readonly events: readonly string[];
  /** What the promise of `login` was rejected with, or what a handler did not catch. */
  readonly problems: readonly string[];
}

let client: PetrelClient | undefined;
let timer: ReturnType<typeof setInterval> | undefined;
const received: Message[] = [];
const sent: SentMessage[] = [];
const events: string[] = [];
const problems: string[] = [];
let logins = 0;

addEventListener("error", (event) => problems.push(String(event)));
addEventListener("unhandledrejection", (event) => problems.push(String(event)));

function start({ url, token, device }: PageOptions): void {
  const options: ClientOptions = { url, token, device };
  client = new PetrelClient(options);
  client.onMessage((message) => void received.push(message));
  client.on("state", ({ state }) => {
    if (state === "online") logins++;
  });
  client.on("kicked", () => void events.push("kicked"));
  client.on("drain", () => void events.push("drain"));
  client.on("tokenExpired", () => void events.push("tokenExpired"));
  client.on("closed", ({ why }) => void events.push(`closed: ${why.reason}`));
  client.login().catch((error: unknown) => problems.push(String(error)));
}

function talk(dest: string, bodies: readonly string[]): void {
  for (const body of bodies) sent.push(client!.talk(dest, body));
}

/** Sends `${prefix}1`, `${prefix}2`… until `hush`. */
function keepTalking(dest: string, prefix: string, everyMs: number): void {
  let count = 0;
  timer = setInterval(() => talk(dest, [`${prefix}${++count}`]), everyMs);
}

function hush(): void {
  clearInterval(timer);
}

async function close(): Promise<void> {
  await client?.close();
}

function look(): PageState {
  return {
    state: client?.state ?? "none",
    account: client?.account ?? "",
    received: received.map(({ messageId, body, sender, peer, own, pos, sendTime }) => ({
      id: String(messageId),
      body,
      sender,
      peer,
      own,
      pos,
      sentMs: Number(sendTime / 1_000_000n),
    })),
    sent: sent.map(({ id, body, state, error }) => ({ id, body, state, error: error?.code })),
    logins,
    events,
    problems,
  };
}

const sdkPage = { start, talk, keepTalking, hush, close, look };
export type SdkPage = typeof sdkPage;

Object.assign(globalThis, { sdkPage });
