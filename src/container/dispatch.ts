import { FLAG, type Header, makeHeader } from "../protocol/header.ts";
import type { Target } from "../protocol/route.ts";
import type { Downlink } from "./link.ts";

/**
 * Fans one push out: a packet per gateway with the list of its channels and, beside it, their positions. Every
 * gateway is tried, whatever happened at the others. Gives how many targets had no link; those clients fetch later.
 */
export function dispatch(
  links: ReadonlyMap<string, Downlink>,
  request: Header,
  command: string,
  targets: readonly Target[],
  body: Uint8Array,
): number {
  let missed = 0;
  for (const group of groups(targets)) {
    const first = group[0]!;
    const link = links.get(first.gateId);
    // The header is the request's; status and metas of a client must never reach another (WIRE.md "Pushes").
    const header = makeHeader(command, {
      channelId: request.channelId,
      sequence: request.sequence,
      flag: FLAG.PUSH,
      dest: request.dest,
    });
    const sent = link?.send({
      header,
      body,
      gateId: first.gateId,
      channels: group.map((one) => one.channelId),
      positions: group.map((one) => one.pos),
      own: first.own,
      answers: 0,
    });
    if (!sent) missed += group.length;
  }
  return missed;
}

/** Targets of one gateway and one kind (own or not) together, in the order they first appear. */
function groups(targets: readonly Target[]): Target[][] {
  if (targets.length === 1) return [[targets[0]!]];
  const found = new Map<string, Target[]>();
  for (const target of targets) {
    const key = target.own ? `own ${target.gateId}` : target.gateId;
    const group = found.get(key);
    if (group) group.push(target);
    else found.set(key, [target]);
  }
  return [...found.values()];
}
