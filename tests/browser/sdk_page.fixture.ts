/** Runs inside the browser: one client of the SDK, and what it did. Bundled and served by sdk_tab.ts. */
import { type ClientOptions, type Databases, type Message, PetrelClient, type SentMessage } from "../../src/sdk/mod.ts";

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

/** The browser's; only what `kept` needs of it. */
declare const indexedDB: Databases & { databases(): Promise<readonly { readonly name: string }[]> };

const MOST_WAITING = 100;

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
  client.on("storage", ({ error }) => void events.push(`storage: ${error?.code ?? "works"}`));
  client.on("closed", ({ why }) => void events.push(`closed: ${why.reason}`));
  client.login().catch((error: unknown) => problems.push(String(error)));
}

function talk(dest: string, bodies: readonly string[]): void {
  for (const body of bodies) sent.push(client!.talk(dest, body));
}

/** Sends `${prefix}1`, `${prefix}2`… until `hush`; while many wait for the server, it waits too. */
function keepTalking(dest: string, prefix: string, everyMs: number): void {
  let count = 0;
  timer = setInterval(() => {
    if (client!.waiting.length < MOST_WAITING) talk(dest, [`${prefix}${++count}`]);
  }, everyMs);
}

function hush(): void {
  clearInterval(timer);
}

/** How many waiting messages the browser's database has; -1 when there is none. */
async function kept(): Promise<number> {
  const [found] = await indexedDB.databases();
  if (!found) return -1;
  const opening = indexedDB.open(found.name, 1);
  await ended(opening);
  const rows = opening.result.transaction(["messages"], "readwrite").objectStore("messages").getAll();
  await ended(rows);
  opening.result.close();
  return rows.result.length;
}

function ended(request: { addEventListener(type: string, listener: () => void): void; error: unknown }): Promise<void> {
  return new Promise((resolve, reject) => {
    request.addEventListener("success", () => resolve());
    request.addEventListener("error", () => reject(request.error));
  });
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

const sdkPage = { start, talk, keepTalking, hush, kept, close, look };
export type SdkPage = typeof sdkPage;

Object.assign(globalThis, { sdkPage });
