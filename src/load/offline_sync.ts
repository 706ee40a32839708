import { randomBytes } from "node:crypto";
import { Histogram } from "./histogram.ts";
import { Options, type OptionSpec, UsageError } from "./options.ts";
import { pour, textOf } from "./pour.ts";
import { FIGURE_OPTIONS, grouped, latencyText, type Outcome, publish, type Row, say, surroundings } from "./report.ts";
import { UseMeter, useRows } from "./report.ts";
import { openTarget, type Target, TARGET_OPTIONS } from "./target.ts";
import { WireClient } from "./wire_client.ts";

export const OFFLINE_SYNC_OPTIONS: readonly OptionSpec[] = [
  { name: "waiting", value: "N", preset: "10000", help: "messages that wait" },
  { name: "contents", value: "N", preset: "50", help: "an old client's ids in one content request, at most 200" },
  { name: "sync", value: "N", preset: "200", help: "our client's messages in one page, at most 200" },
  { name: "repeat", value: "N", preset: "5", help: "how often each way is gone, by a new device each time" },
  ...TARGET_OPTIONS,
  ...FIGURE_OPTIONS,
];

/** What a resume sends at most. */
const RESUME = 256;

/** `petrel load offline-sync`: how long clients take to get what waited for them. Gives the exit code. */
export async function offlineSync(args: readonly string[]): Promise<number> {
  const options = new Options(args, OFFLINE_SYNC_OPTIONS);
  const contents = options.whole("contents", 1);
  if (contents > 200) throw new UsageError(`Cannot use --contents ${contents}: the limit is 200`);
  await using target = await openTarget(options);
  const run = new SyncRun(target, options.whole("waiting", 1), contents, options.whole("sync", 1));
  await run.fill();
  if (!options.on("quiet")) say(`${grouped(run.waiting)} messages wait`);
  const use = new UseMeter(target.pid);
  const repeat = options.whole("repeat", 1);
  for (let i = 0; i < repeat; i++) {
    await run.asOldClient(`old${i}`);
    await run.asOurs(`ours${i}`);
    await run.resumed(`resumed${i}`);
  }
  const outcome = run.outcome(use, repeat, target.pidProblem);
  return publish(outcome, surroundings(options, target, "offline-sync", args), options);
}

class SyncRun {
  readonly waiting: number;
  readonly #target: Target;
  readonly #contents: number;
  readonly #page: number;
  readonly #account = `away-${randomBytes(4).toString("hex")}`;
  #ids: bigint[] = [];
  /** From the login's first byte to the last message, microseconds; and of each request. */
  readonly #old = new Histogram();
  readonly #ours = new Histogram();
  readonly #resumed = new Histogram();
  readonly #request = new Histogram();
  readonly #wrong: string[] = [];

  constructor(target: Target, waiting: number, contents: number, page: number) {
    this.#target = target;
    this.waiting = waiting;
    this.#contents = contents;
    this.#page = page;
  }

  async fill(): Promise<void> {
    await using sender = await this.#login(`from-${this.#account}`, "", false);
    this.#ids = await pour(sender, this.#account, this.waiting);
  }

  /** As the web SDK does: index pages to the end, then contents, one request after the other. */
  async asOldClient(device: string): Promise<void> {
    const start = performance.now();
    await using client = await this.#login(this.#account, device, false);
    const ids: bigint[] = [];
    for (let last = 0n;;) {
      const page = await this.#timed(() => client.inbox.index(last));
      if (page.length === 0) break;
      for (const row of page) ids.push(row.messageId);
      last = page.at(-1)!.messageId;
    }
    const texts: string[] = [];
    for (let at = 0; at < ids.length; at += this.#contents) {
      texts.push(...await this.#timed(() => client.inbox.contents(ids.slice(at, at + this.#contents))));
    }
    this.#old.record((performance.now() - start) * 1000);
    this.#check(`old client ${device}`, ids, texts);
  }

  /** By position, whole messages, a page at a time. */
  async asOurs(device: string): Promise<void> {
    const start = performance.now();
    await using client = await this.#login(this.#account, device, true);
    const found: { messageId: bigint; body: string }[] = [];
    for (let after = 0, head = 1; after < head;) {
      const page = await this.#timed(() => client.inbox.sync(after, this.#page));
      found.push(...page.messages);
      [after, head] = [page.scannedTo, page.head];
    }
    this.#ours.record((performance.now() - start) * 1000);
    this.#check(`our client ${device}`, found.map((one) => one.messageId), found.map((one) => one.body));
  }

  /** Our client comes back as far behind as a resume goes. */
  async resumed(device: string): Promise<void> {
    await using before = await this.#login(this.#account, device, true);
    const { head, epoch } = await before.inbox.sync(this.waiting);
    await before[Symbol.asyncDispose]();
    const behind = Math.min(RESUME, head);
    const start = performance.now();
    await using client = await this.#login(this.#account, device, true, { cursor: head - behind, epoch });
    await client.until(({ pushes }) => pushes.length >= behind);
    this.#resumed.record((performance.now() - start) * 1000);
    const { messages } = client;
    this.#check(`resume ${device}`, messages.map((one) => one.messageId), messages.map((one) => one.body), behind);
  }

  /** Exactly what was stored, each once, with its text; in the order of the store. */
  #check(who: string, ids: readonly bigint[], texts: readonly string[], last = this.waiting): void {
    const places = new Map(this.#ids.map((id, i) => [id, i]));
    const wrong = ids.filter((id, i) => {
      const place = places.get(id);
      return place === undefined || texts[i] !== textOf(place) || (i > 0 && id <= ids[i - 1]!);
    }).length;
    if (ids.length !== last || wrong > 0) {
      this.#wrong.push(`${who}: ${ids.length} of ${last} messages, ${wrong} of them wrong`);
    }
  }

  async #timed<T>(run: () => Promise<T>): Promise<T> {
    const start = performance.now();
    const answer = await run();
    this.#request.record((performance.now() - start) * 1000);
    return answer;
  }

  #login(account: string, device: string, ours: boolean, more: { cursor?: number; epoch?: string } = {}) {
    const meta = new Map([["im.device", device], ...(ours ? [["im.caps", "1"] as const] : [])]);
    return WireClient.login(this.#target.urls[0]!.text, this.#target.token(account), { meta, ...more });
  }

  outcome(meter: UseMeter, repeat: number, pidProblem: string): Outcome {
    const use = meter.read();
    const rows: Row[] = [
      [`old client, ${this.#contents} contents a request`, latencyText(this.#old.summary())],
      [`our client, ${this.#page} a page`, latencyText(this.#ours.summary())],
      [`our client resumes, ${Math.min(RESUME, this.waiting)} behind`, latencyText(this.#resumed.summary())],
      ["one request", latencyText(this.#request.summary())],
      ["wrong", this.#wrong.length === 0 ? "0" : this.#wrong.join("; ")],
      ...useRows(use, repeat * 2 * this.waiting, pidProblem, "message read"),
    ];
    return {
      title: `offline-sync: ${grouped(this.waiting)} messages waiting, each way ${repeat} times`,
      rows,
      figures: {
        waiting: this.waiting,
        oldMs: this.#old.summary(),
        oursMs: this.#ours.summary(),
        resumedMs: this.#resumed.summary(),
        requestMs: this.#request.summary(),
        wrong: this.#wrong,
        use,
      },
      tiles: [["wrong", this.#wrong.length]],
      faults: this.#wrong,
    };
  }
}
