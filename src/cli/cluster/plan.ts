/** What a process of a cluster is. */
export type ClusterRole = "upstash" | "royal" | "logic" | "gateway" | "router" | "api";

/** One place in a cluster: a process runs there, and after it another one. */
export interface Place {
  readonly role: ClusterRole;
  /** `ws1`, `logic2`: its name in the log, and the beginning of its service id. */
  readonly name: string;
  /** Those of a lower stage are started, and ready, before; at the end they are stopped after. */
  readonly stage: number;
  /** Can a new process run beside the one it replaces? */
  readonly sideBySide: boolean;
  /** Is it replaced when all are? */
  readonly rolls: boolean;
  /** How to start a process here. @param turn alternates, so that two have addresses of their own. */
  run(turn: 0 | 1): Run;
}

/** How one process is started. */
export interface Run {
  readonly args: readonly string[];
  readonly env: Readonly<Record<string, string>>;
  /** Answers 200 when the process can do its work; asked with this token, if there is one. */
  readonly readyUrl: string;
  readonly readyToken?: string;
  readonly urls: Readonly<Record<string, string>>;
}

/** What is to run, and where. */
export interface ClusterPlan {
  /** WebSocket and TCP gateways, and chat servers. */
  readonly ws: number;
  readonly tcp: number;
  readonly logic: number;
  /** The first WebSocket gateway's port; all others are near it. */
  readonly port: number;
  readonly data: string;
  readonly log: string;
  /** `postgres://…`; undefined: SQLite in the data folder. */
  readonly database: string | undefined;
  /** An Upstash Redis that is there already; undefined: a stand-in is started. */
  readonly upstash: { readonly url: string; readonly token: string } | undefined;
  readonly secrets: ClusterSecrets;
  /** `PETREL_…` variables for every process, where the plan itself does not say otherwise. */
  readonly told: Readonly<Record<string, string>>;
}

export interface ClusterSecrets {
  readonly token: string;
  readonly cluster: string;
  readonly upstash: string;
  readonly api: string;
}

/** More processes of a kind would leave their range of ports. */
export const MOST = 8;
/** A cluster takes ports from its base port on, up to so many. */
export const CLUSTER_PORTS = 200;
/** From the base port. */
const PORTS = { router: 3, api: 4, link: 30, upstash: 79, royal: 80, monitor: 100 } as const;

/** All clients are on this machine, as with `petrel dev`. */
const USUAL = { PETREL_DEMO: "on", PETREL_MESSAGE_RATE: "0", PETREL_CONNECTIONS_PER_IP: "0" } as const;

/** The ports of gateways: the first ones are those of `petrel dev`, the others follow from 10 on. */
function clientPort(base: number, kind: "ws" | "tcp", index: number): number {
  if (index === 0) return base + (kind === "ws" ? 0 : 1);
  return kind === "ws" && index === 1 ? base + 2 : base + (kind === "ws" ? 10 : 20) + index;
}

/** Every place of the cluster, in the order in which they are started, and what all processes are told. */
export function placesOf(plan: ClusterPlan): { places: Place[]; shared: Record<string, string> } {
  const { port, data, secrets } = plan;
  const upstash = plan.upstash ?? { url: http(port + PORTS.upstash), token: secrets.upstash };
  const royalUrl = http(port + PORTS.royal);
  const shared = {
    ...USUAL,
    ...plan.told,
    PETREL_LOG: plan.log,
    PETREL_DATA: data,
    PETREL_REUSE_PORT: "on",
    PETREL_CLUSTER_SECRET: secrets.cluster,
    UPSTASH_REDIS_REST_URL: upstash.url,
    UPSTASH_REDIS_REST_TOKEN: upstash.token,
  };
  let monitors = 0;
  /** A process with a port for its health. */
  const place = (
    of: Pick<Place, "role" | "name" | "stage"> & { readonly sideBySide?: boolean },
    make: (turn: 0 | 1) => { env: Record<string, string>; urls: Record<string, string> },
  ): Place => {
    const at = port + PORTS.monitor + 2 * monitors++;
    return {
      sideBySide: true,
      rolls: true,
      ...of,
      run(turn) {
        const monitor = at + turn;
        const { env, urls } = make(turn);
        return {
          args: [of.role],
          env: { ...shared, PETREL_MONITOR: `127.0.0.1:${monitor}`, ...env },
          readyUrl: `${http(monitor)}/ready`,
          urls: { ...urls, monitor: http(monitor) },
        };
      },
    };
  };

  const places: Place[] = plan.upstash === undefined ? [standIn(plan, upstash.url)] : [];
  places.push(place({ role: "royal", name: "royal", stage: 1, sideBySide: plan.database !== undefined }, () => ({
    env: {
      PETREL_ROYAL: `127.0.0.1:${port + PORTS.royal}`,
      ...(plan.database !== undefined && { PETREL_DATABASE_URL: plan.database }),
    },
    urls: { royal: royalUrl },
  })));
  for (let i = 0; i < plan.logic; i++) {
    places.push(place({ role: "logic", name: `logic${i + 1}`, stage: 2 }, (turn) => {
      const link = port + PORTS.link + 2 * i + turn;
      return {
        env: { PETREL_LINK: `127.0.0.1:${link}`, PETREL_ROYAL_URL: royalUrl },
        urls: { link: `tcp://127.0.0.1:${link}` },
      };
    }));
  }
  for (const [kind, count] of [["ws", plan.ws], ["tcp", plan.tcp]] as const) {
    for (let i = 0; i < count; i++) {
      places.push(place({ role: "gateway", name: `${kind}${i + 1}`, stage: 3 }, () => {
        const at = clientPort(port, kind, i);
        const [on, off] = kind === "ws" ? ["PETREL_HTTP", "PETREL_TCP"] : ["PETREL_TCP", "PETREL_HTTP"];
        return {
          env: {
            [on!]: `localhost:${at}`,
            [off!]: "off",
            PETREL_TOKEN_SECRET: secrets.token,
          },
          urls: { [kind]: `${kind}://localhost:${at}` },
        };
      }));
    }
  }
  places.push(place({ role: "router", name: "router", stage: 4 }, () => ({
    env: { PETREL_HTTP: `localhost:${port + PORTS.router}` },
    urls: { http: `http://localhost:${port + PORTS.router}` },
  })));
  places.push(place({ role: "api", name: "api", stage: 4 }, () => ({
    env: {
      PETREL_HTTP: `localhost:${port + PORTS.api}`,
      PETREL_API_KEY: secrets.api,
      PETREL_TOKEN_SECRET: secrets.token,
    },
    urls: { http: `http://localhost:${port + PORTS.api}` },
  })));
  return { places, shared: { ...shared, PETREL_ROYAL_URL: royalUrl, PETREL_TOKEN_SECRET: secrets.token } };
}

/** Every port that is listened on, now or after a restart. */
export function portsOf(places: readonly Place[]): number[] {
  const urls = places.flatMap(({ run }) => [run(0), run(1)].flatMap(({ urls }) => Object.values(urls)));
  return [...new Set(urls.flatMap((url) => Number(/:(\d+)$/.exec(url)?.[1] ?? []) || []))];
}

/** Upstash's protocol in front of a Redis of ours. Each run has a folder of its own: the last one may still be ending. */
function standIn({ port, data, log, secrets }: ClusterPlan, url: string): Place {
  return {
    role: "upstash",
    name: "upstash",
    stage: 0,
    sideBySide: false,
    rolls: false,
    run: (turn) => ({
      args: [
        "upstash",
        ...["--http", `127.0.0.1:${port + PORTS.upstash}`, "--start-redis", `${data}/redis-${turn}`],
        ...(log === "info" || log === "debug" ? [] : ["--quiet"]),
      ],
      env: { UPSTASH_REDIS_REST_TOKEN: secrets.upstash },
      readyUrl: `${url}/ping`,
      readyToken: secrets.upstash,
      urls: { upstash: url, redis: `unix:${data}/redis-${turn}/redis.sock` },
    }),
  };
}

function http(port: number): string {
  return `http://127.0.0.1:${port}`;
}
