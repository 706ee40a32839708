import { byId, type Instance, type Naming } from "../../naming/naming.ts";

/** The service whose servers WebSocket clients are sent to. */
const SERVICE = "wgateway";
const IDC_TAG = /^IDC:/i;

/** The gateways that can be told to clients, as naming told them last. All lists are sorted by id. */
export class GatewayList implements Disposable {
  /** Undefined until naming told anything. */
  #all: readonly Instance[] | undefined;
  #ofIdc: ReadonlyMap<string, readonly Instance[]> = new Map();
  readonly #subscription: { stop(): void };

  constructor(naming: Pick<Naming, "subscribe">) {
    this.#subscription = naming.subscribe(SERVICE, (instances) => this.#changed(instances));
  }

  /** False: naming has not answered yet. */
  get known(): boolean {
    return this.#all !== undefined;
  }

  get all(): readonly Instance[] {
    return this.#all ?? [];
  }

  /** Does any gateway say in which data centre it is? */
  get tagged(): boolean {
    return this.#ofIdc.size > 0;
  }

  /** Those tagged `IDC:<id>`; the id in lower case. */
  ofIdc(id: string): readonly Instance[] {
    return this.#ofIdc.get(id) ?? [];
  }

  [Symbol.dispose](): void {
    this.#subscription.stop();
  }

  #changed(instances: readonly Instance[]): void {
    const all = byId(instances.filter(({ domain }) => domain !== ""));
    const ofIdc = new Map<string, Instance[]>();
    for (const instance of all) {
      const ids = instance.tags.filter((tag) => IDC_TAG.test(tag)).map((tag) => tag.slice(4).toLowerCase());
      for (const id of new Set(ids)) ofIdc.set(id, [...ofIdc.get(id) ?? [], instance]);
    }
    this.#all = all;
    this.#ofIdc = ofIdc;
  }
}
