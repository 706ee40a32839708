import { expect, test } from "bun:test";
import { objections, startNginx, whyNoNginx } from "../support/nginx.ts";
import { dayToken } from "../../src/load/token.ts";
import { WireClient } from "../../src/load/wire_client.ts";
import { CLOSE } from "../../src/protocol/close_reason.ts";
import { PetrelClient } from "../../src/sdk/mod.ts";
import { freePort } from "../support/free_port.ts";
import { LocalCluster, SECRET } from "../support/local_cluster.ts";
import { tempDir } from "../support/temp.ts";
import { until } from "../support/until.ts";

const WHY = whyNoNginx();
const CLIENTS = 20, OLD = 10, ROUNDS = 3;
const token = (account: string) => dayToken(SECRET, "kim", account);

test.skipIf(WHY !== undefined).each(["nginx.conf", "nginx.unix.conf"])(
  `nginx takes %s${WHY === undefined ? "" : `: skipped, ${WHY}`}`,
  async (file) => {
    expect(await objections(file)).toBe("");
  },
);

/** An old client: whenever its connection ends it logs in again. */
class Old {
  readonly ends: string[] = [];
  logins = 0;
  client!: WireClient;
  readonly #url: string;
  readonly #account: string;
  #stopped = false;

  constructor(url: string, account: string) {
    this.#url = url;
    this.#account = account;
  }

  async login(): Promise<void> {
    const client = this.client = await WireClient.login(this.#url, token(this.#account));
    this.logins++;
    void client.ended.then((why) => {
      if (this.#stopped) return;
      this.ends.push(why);
      return this.login().catch((thrown) => void this.ends.push(`${thrown}`));
    });
  }

  async close(): Promise<void> {
    this.#stopped = true;
    await this.client.close();
  }
}

test.skipIf(WHY !== undefined)(
  `gateways behind nginx are replaced while clients talk and others come: nobody is refused, each reconnects once${
    WHY === undefined ? "" : `: skipped, ${WHY}`
  }`,
  async () => {
    await using dir = await tempDir();
    await using cluster = await LocalCluster.start(dir.in("data"));
    const paths = [dir.in("gateway.sock"), dir.in("gateway-2.sock")];
    const gateway = (unix: string) =>
      cluster.addGateway({ http: { hostname: "", port: 0, unix }, reusePort: true, tcp: "off", drainMs: 500 });
    const running = [await gateway(paths[0]!), await gateway(paths[1]!)];
    await cluster.ready();
    const port = await freePort(), url = `ws://127.0.0.1:${port}`;
    const [one, two] = ["unix:/run/petrel/gateway.sock", "unix:/run/petrel/gateway-2.sock"];
    await using nginx = await startNginx("nginx.unix.conf", port, {
      [one]: `unix:${paths[0]}`,
      [two]: `unix:${paths[1]}`,
    });
    await until(async () => (await fetch(`http://127.0.0.1:${port}/health`)).status === 404); // hidden from strangers

    const drained = new Map<string, number>(), codes: number[] = [];
    const clients = Array.from({ length: CLIENTS }, (_, i) => {
      const client = new PetrelClient({ url, token: token(`new${i}`) });
      client.on("state", ({ state, why }) => {
        if (state !== "offline" || !why) return;
        codes.push(why.code);
        drained.set(`new${i}`, (drained.get(`new${i}`) ?? 0) + 1);
      });
      return client;
    });
    const received: string[] = [];
    clients[0]!.onMessage(({ body }) => void received.push(body));
    const old = Array.from({ length: OLD }, (_, i) => new Old(url, `old${i}`));
    let stopped = false, came = 0;
    const refused: string[] = [], lost: string[] = [];
    const come = async (n: number) => {
      while (!stopped) {
        try {
          const guest = await WireClient.login(url, token(`guest${n}`));
          came++;
          await guest.close();
        } catch (thrown) {
          refused.push(`${thrown}`);
        }
      }
    };
    let said = 0;
    const talk = async (client: PetrelClient) => {
      while (!stopped) {
        await client.talk("new0", `${said++}`).done.catch((thrown) => lost.push(`${thrown}`));
        await new Promise((resolve) => setTimeout(resolve, 20));
      }
    };
    await Promise.all([...clients.map((client) => client.login()), ...old.map((one) => one.login())]);
    const busy = [...clients.slice(1).map(talk), ...Array.from({ length: 8 }, (_, n) => come(n))];
    const first = came;
    for (let round = 0; round < ROUNDS; round++) {
      const next = [await gateway(paths[0]!), await gateway(paths[1]!)];
      await cluster.ready();
      const before = running.splice(0, 2, ...next);
      await Promise.all(before.map((one) => one[Symbol.asyncDispose]()));
      cluster.gateways.splice(3, 2);
      // Who hears of it late, and so meets only the gateways of the next round, would be sent away less often.
      const back = () => clients.every(({ state }, i) => state === "online" && drained.get(`new${i}`) === round + 1);
      await until(() => Promise.resolve(back() && old.every(({ logins }) => logins === round + 2)));
    }
    await until(() => Promise.resolve(came - first >= 500));
    await until(() => Promise.resolve(clients.every(({ state }) => state === "online")));
    stopped = true;
    await Promise.all(busy);
    expect([refused, lost]).toEqual([[], []]);
    expect([...drained.values()]).toEqual(clients.map(() => ROUNDS));
    // A proxy that writes to a gateway that has just closed forgets the close frame it was to pass on: then it is 1006.
    expect(codes.filter((code) => code !== CLOSE.SHUTDOWN.code && code !== CLOSE.GONE.code)).toEqual([]);
    expect(codes.filter((code) => code === CLOSE.SHUTDOWN.code).length).toBeGreaterThan(codes.length / 2);
    expect(old.map((one) => one.ends.length)).toEqual(old.map(() => ROUNDS));
    expect(new Set(old.flatMap((one) => one.ends))).toEqual(new Set(["server said: 4001 shutdown"]));
    await until(() => Promise.resolve(received.length >= said));
    expect(new Set(received).size).toBe(said);
    expect(received.length).toBe(said);
    await Promise.all([...clients.map((client) => client.close()), ...old.map((one) => one.close())]);
    expect(nginx.child.ended).toBe(false);
  },
  120_000,
);
