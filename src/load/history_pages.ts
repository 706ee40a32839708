import { randomBytes } from "node:crypto";
import { makeGroup } from "./group_maker.ts";
import { Histogram } from "./histogram.ts";
import { Options, type OptionSpec } from "./options.ts";
import { pool } from "./pool.ts";
import { pour, textOf } from "./pour.ts";
import { Message, MessageWriter } from "./proto.ts";
import { FIGURE_OPTIONS, grouped, latencyText, type Outcome, publish, say, surroundings } from "./report.ts";
import { UseMeter, useRows } from "./report.ts";
import { openTarget, type Target, TARGET_OPTIONS } from "./target.ts";
import { WireClient } from "./wire_client.ts";
import { readMessage, type WireMessage } from "./wire_inbox.ts";

export const HISTORY_OPTIONS: readonly OptionSpec[] = [
  { name: "messages", value: "N", preset: "10000", help: "messages of the long conversation" },
  { name: "group", help: "it is a group's, and not a pair's" },
  { name: "conversations", value: "N", preset: "500", help: "further conversations, of one message each" },
  { name: "page", value: "N", preset: "50", help: "messages in one page, at most 200" },
  { name: "readers", value: "N", preset: "4", help: "clients that read at the same time" },
  { name: "repeat", value: "N", preset: "3", help: "how often each reads everything" },
  ...TARGET_OPTIONS,
  ...FIGURE_OPTIONS,
];

/** `petrel load history`: pages a long conversation both ways, and a long list of them. Gives the exit code. */
export async function historyScenario(args: readonly string[]): Promise<number> {
  const options = new Options(args, HISTORY_OPTIONS);
  await using target = await openTarget(options);
  const run = new HistoryRun(target, options);
  await run.fill();
  if (!options.on("quiet")) say(`${grouped(run.messages)} messages, ${grouped(run.conversations)} other conversations`);
  const use = new UseMeter(target.pid);
  await run.read(options.whole("readers", 1), options.whole("repeat", 1));
  return publish(run.outcome(use, target.pidProblem), surroundings(options, target, "history", args), options);
}

class HistoryRun {
  readonly messages: number;
  readonly conversations: number;
  readonly #target: Target;
  readonly #page: number;
  readonly #inGroup: boolean;
  readonly #run = randomBytes(4).toString("hex");
  #dest = "";
  readonly #up = new Histogram();
  readonly #down = new Histogram();
  readonly #list = new Histogram();
  readonly #wrong = new Set<string>();

  constructor(target: Target, options: Options) {
    this.#target = target;
    this.messages = options.whole("messages", 1);
    this.conversations = options.whole("conversations");
    this.#page = options.whole("page", 1);
    this.#inGroup = options.on("group");
  }

  async fill(): Promise<void> {
    const reader = `reader-${this.#run}`;
    await using other = await this.#login(`other-${this.#run}`);
    this.#dest = this.#inGroup ? await makeGroup(other, [other.account, reader]) : other.account;
    await pour(other, this.#inGroup ? this.#dest : reader, this.messages, { group: this.#inGroup });
    await pool(this.conversations, 16, async (i) => {
      await using peer = await this.#login(`peer${i}-${this.#run}`);
      await pour(peer, reader, 1, { prefix: `peer${i}` });
    });
  }

  async read(readers: number, repeat: number): Promise<void> {
    await pool(readers, readers, async (i) => {
      await using client = await this.#login(`reader-${this.#run}`, `device${i}`);
      for (let n = 0; n < repeat; n++) {
        await this.#upwards(client);
        await this.#downwards(client);
        await this.#lists(client);
      }
    });
  }

  async #upwards(client: WireClient): Promise<void> {
    const seqs: WireMessage[] = [];
    for (;;) {
      const page = await this.#ask(client, this.#up, (body) => body.int(2, seqs.at(-1)?.seq ?? 0));
      if (page.length === 0) break;
      seqs.push(...page);
    }
    this.#check("upwards", seqs);
  }

  async #downwards(client: WireClient): Promise<void> {
    const pages: WireMessage[][] = [];
    for (let before = this.messages + 1; before > 1;) {
      const page = await this.#ask(client, this.#down, (body) => body.int(3, before));
      if (page.length === 0) break;
      pages.unshift(page);
      before = page[0]!.seq;
    }
    this.#check("downwards", pages.flat());
  }

  /** Every message once, in order. Sends overlapped, so which text got which number is not known. */
  #check(way: string, found: readonly WireMessage[]): void {
    const texts = new Set(found.map((one) => one.body));
    const right = found.length === this.messages && found.every(({ seq }, i) => seq === i + 1) &&
      texts.size === this.messages && texts.has(textOf(0)) && texts.has(textOf(this.messages - 1));
    if (!right) this.#wrong.add(`${way}: ${found.length} of ${this.messages}, or not in order`);
  }

  async #lists(client: WireClient): Promise<void> {
    const dests = new Set<string>();
    let lines = 0, unread = 0;
    for (let from = "", first = true; first || from !== ""; first = false) {
      const start = performance.now();
      const page: Message = await client.ok("chat.conversations", new MessageWriter().text(1, from).int(2, 100).done());
      this.#list.record((performance.now() - start) * 1000);
      for (const line of page.messages(1)) {
        lines++;
        dests.add(line.text(1));
        unread += line.uint(6);
      }
      from = page.text(2);
    }
    const wanted = this.conversations + 1;
    const waiting = Math.min(1_000, this.messages) + this.conversations; // counted up to 1,000
    if (lines !== wanted || dests.size !== wanted || !dests.has(this.#dest) || unread !== waiting) {
      this.#wrong.add(`list: ${lines} of ${wanted} conversations, ${unread} of ${waiting} unread`);
    }
  }

  async #ask(client: WireClient, into: Histogram, where: (body: MessageWriter) => void): Promise<WireMessage[]> {
    const body = new MessageWriter().int(1, this.#inGroup ? 1 : 0);
    where(body);
    const start = performance.now();
    const answer = await client.ok("chat.history", body.int(4, this.#page).done(), this.#dest);
    into.record((performance.now() - start) * 1000);
    return answer.messages(1).map(readMessage);
  }

  #login(account: string, device = ""): Promise<WireClient> {
    const meta = new Map([["im.device", device], ["im.caps", "1"]]);
    return WireClient.login(this.#target.urls[0]!.text, this.#target.token(account), { meta });
  }

  outcome(meter: UseMeter, pidProblem: string): Outcome {
    const use = meter.read();
    const pages = this.#up.count + this.#down.count + this.#list.count;
    const rate = pages / (use.elapsedMs / 1000);
    const wrong = [...this.#wrong];
    return {
      title:
        `history: ${grouped(this.messages)} messages of a ${this.#inGroup ? "group" : "pair"}, ${this.#page} a page, ` +
        `${grouped(this.conversations)} other conversations`,
      rows: [
        ["pages", `${grouped(rate)}/s (${grouped(pages)} in all)`],
        ["a page upwards", latencyText(this.#up.summary())],
        ["a page downwards", latencyText(this.#down.summary())],
        ["a page of the list", latencyText(this.#list.summary())],
        ["wrong", wrong.length === 0 ? "0" : wrong.join("; ")],
        ...useRows(use, pages, pidProblem, "page"),
      ],
      figures: {
        pages,
        rate,
        upMs: this.#up.summary(),
        downMs: this.#down.summary(),
        listMs: this.#list.summary(),
        wrong,
        use,
      },
      tiles: [["wrong", wrong.length]],
      faults: wrong,
    };
  }
}
