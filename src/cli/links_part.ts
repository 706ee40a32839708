import { Discovery } from "../container/discovery.ts";
import { LinkClient } from "../container/tcp/link_client.ts";
import { addressOf } from "../naming/instances.ts";
import type { LinkGateway } from "../container/link.ts";
import type { ClusterPart } from "./cluster_part.ts";
import type { ServerProcess } from "./server_process.ts";

/** The links of a gateway, or of what acts like one, to every chat server that naming tells. */
export function openLinks(gateway: LinkGateway, cluster: ClusterPart, host: ServerProcess): Discovery {
  const { clock, log, metrics, runtime } = host;
  const { id: gateId, incarnation, sign, naming } = cluster;
  return new Discovery(["chat"], {
    clock,
    log,
    metrics,
    naming,
    random: Math.random,
    connect(instance, { youngUntilMs, ended }) {
      const { id: logicId, zone } = instance;
      const link = new LinkClient(
        {
          gateId,
          incarnation,
          logicId,
          url: `tcp://${addressOf(instance)}`,
          zone,
          youngUntilMs,
          // Ours register their run; of a server without one it is seen what it is.
          peer: instance.incarnation === "" ? "either" : "petrel",
        },
        { clock, log, dial: runtime.dial, random: Math.random, gateway, sign, ended },
      );
      link.start();
      return link;
    },
  });
}
