import { expect, test } from "bun:test";
import { connect, createServer, type Socket } from "node:net";
import { serveHttp } from "#runtime";
import { ImError } from "../../src/base/errors.ts";
import { RoyalStore } from "../../src/message/royal.ts";
import { openSqliteStore } from "../../src/message/sqlite.ts";
import { talk } from "../contract/message_talk.ts";
import { signed, testApp } from "../support/royal_stand.ts";
import { tempDir } from "../support/temp.ts";

type Cut = "answer" | "middle of the answer" | "request" | "nothing";

/** Passes bytes on, and ends connections as `next` says: before an answer's first byte, after it, or at a request. */
async function proxy(port: number, next: () => Cut) {
  const open = new Set<Socket>();
  const cuts = new Map<Cut, number>();
  const server = createServer((client) => {
    const behind = connect({ host: "127.0.0.1", port });
    const both = [client, behind];
    const end = () => both.forEach((one) => one.destroy());
    for (const one of both) {
      open.add(one);
      one.on("error", () => {}).on("close", () => {
        open.delete(one);
        end();
      });
    }
    let cut: Cut = "nothing";
    client.on("data", (bytes) => {
      cut = next();
      cuts.set(cut, (cuts.get(cut) ?? 0) + 1);
      if (cut === "request") return end();
      behind.write(bytes);
    });
    behind.on("data", (bytes: Uint8Array) => {
      if (cut === "nothing") return void client.write(bytes);
      if (cut === "middle of the answer") client.write(bytes.subarray(0, bytes.length - 5), end);
      else end();
    });
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const address = server.address();
  return {
    port: typeof address === "object" ? address!.port : 0,
    cuts,
    async [Symbol.asyncDispose]() {
      for (const one of open) one.destroy();
      await new Promise((done) => server.close(done));
    },
  };
}

test.each([1, 2])(
  "connections to the store that break (seed %d) lose nothing, and nothing comes twice",
  async (seed) => {
    await using folder = await tempDir();
    await using behind = await openSqliteStore({ directory: folder.path, sync: "normal" });
    const app = testApp(behind);
    await using http = await serveHttp({ hostname: "127.0.0.1", port: 0 }, (request, env) => app.fetch(request, env));
    let state = seed;
    const chance = () => (state = (state * 48_271) % 0x7fffffff) / 0x7fffffff;
    const cuts: readonly Cut[] = ["answer", "middle of the answer", "request", "nothing", "nothing", "nothing"];
    await using way = await proxy(http.port, () => cuts[Math.floor(chance() * cuts.length)]!);
    await using client = new RoyalStore({ url: `http://127.0.0.1:${way.port}`, sign: signed });
    const sent = Array.from({ length: 80 }, (_, i) => `${i}`);
    const answers = await Promise.all(
      sent.map((body, i) => client.append([talk(i % 2 ? "ann" : "cat", "bob", { body })])),
    );
    for (const [one] of answers) if (!one || one instanceof ImError) throw one ?? new Error("no answer");
    const { rows } = await behind.messages("kim", "bob", { after: 0, limit: 1_000 });
    expect(rows.map((row) => row.body)).toEqual(sent);
    expect(rows.map((row) => row.pos)).toEqual(sent.map((_, i) => i + 1));
    for (const cut of cuts) expect(way.cuts.get(cut)).toBeGreaterThan(3);
  },
  60_000,
);
