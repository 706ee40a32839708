import type { NodeNumber } from "../id/snowflake.ts";
import { NodeLease } from "../session/node_lease.ts";
import type { ClusterPart } from "./cluster_part.ts";
import type { ServerProcess } from "./server_process.ts";

/** The node number of this process's ids. */
export interface Node {
  readonly node: number;
  /** For makers of ids in this thread: the lease's number, which may become another one; they pause meanwhile. */
  readonly source: number | NodeNumber;
  /** Resolves when `node` may not be used any more; only for those that cannot follow `source`. */
  readonly lost: Promise<Error>;
  /** Why `source` gives no number now. */
  problem(): string | undefined;
}

/** The number given, or one that is leased and given back with the stack; 0 where there are no leases. */
export async function nodeOf(
  { node }: { readonly node?: number | undefined },
  cluster: ClusterPart,
  { clock, log }: ServerProcess,
  stack: AsyncDisposableStack,
): Promise<Node> {
  const { leases } = cluster.shared;
  if (node !== undefined || !leases) {
    return { node: node ?? 0, source: node ?? 0, lost: new Promise(() => {}), problem: () => undefined };
  }
  const { incarnation: holder } = cluster;
  const lease = stack.use(await NodeLease.open({ leases, holder, clock, log, random: Math.random }));
  return { node: lease.node, source: lease, lost: lease.lost, problem: () => lease.problem };
}
