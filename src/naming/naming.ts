/** One running server, as others find it. Names follow proto/WIRE.md "Choosing". */
export interface Instance {
  /** `wgateway`, `tgateway`, `chat`, `royal`, `router`, `api`. */
  readonly service: string;
  /** Service id: unique among the running servers of its kind. */
  readonly id: string;
  /** One run of its process; "" for a KIM server. */
  readonly incarnation: string;
  readonly protocol: "ws" | "tcp" | "http";
  /** Where others connect to it: a name or address without brackets. */
  readonly host: string;
  readonly port: number;
  /** `IDC:SH_ALI`. */
  readonly tags: readonly string[];
  /** Of chat servers; "" for none. */
  readonly zone: string;
  /** Of gateways: the URL that clients are told; "" for none. */
  readonly domain: string;
  /** `http://host:port/health`; "" for none. */
  readonly healthUrl: string;
}

/** A server in naming. Disposing takes it out; after that nobody finds it. */
export interface Registration extends AsyncDisposable {
  /** Undefined while others find it; else why not, in words: the name is taken, naming is out of reach. */
  readonly problem: string | undefined;
}

/**
 * Who runs where. Implementations never throw for a naming service that is out of reach: a registration has a
 * `problem` and is tried again, a subscriber keeps what it was told last.
 */
export interface Naming extends AsyncDisposable {
  /**
   * Puts a server in and keeps it there, trying again until it is disposed. A name that another incarnation holds is
   * not taken over while that one lives: `problem` says so, and it is tried again.
   */
  register(instance: Instance): Registration;
  /** Those of a service that have all these tags, sorted by id. @throws {ImError} SYSTEM: naming is out of reach. */
  find(service: string, tags?: readonly string[]): Promise<Instance[]>;
  /**
   * Tells the servers of a service, sorted by id: as soon as they are known, and after every change (within 3 s). An
   * answer that cannot be had tells nothing.
   */
  subscribe(service: string, changed: (instances: readonly Instance[]) => void): { stop(): void };
}

/** Sorted by id, as selectors and routers need them. */
export function byId(instances: readonly Instance[]): Instance[] {
  return [...instances].sort((a, b) => a.id < b.id ? -1 : a.id > b.id ? 1 : 0);
}
