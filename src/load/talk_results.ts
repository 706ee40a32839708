import { grouped, latencyText, type Row, say, type Tile } from "./report.ts";
import { type TalkCounts, total } from "./talk_counts.ts";
import type { TalkGroup } from "./talk_group.ts";

/** Lines of the final table about one group; `seconds` were measured. */
export function groupRows(group: TalkGroup, seconds: number): Row[] {
  const c = group.counts;
  const rows: Row[] = [
    ["stored", `${grouped(c.storedMeasured / seconds)}/s (${grouped(c.stored)} in all, ${grouped(c.sent)} sent)`],
    ["send to ack", latencyText(group.latency.sendToAck.summary())],
    ["send to push", latencyText(group.latency.sendToPush.summary())],
  ];
  if (group.plan.rate > 0) rows.push(["client's own delay", latencyText(group.latency.sendDelay.summary())]);
  rows.push([
    "exactness",
    `lost ${c.lost}, duplicates ${c.duplicates}, out of order ${c.outOfOrder}, phantom ${c.phantom}, ` +
    `unknown ${c.unknown}, stray answers ${c.stray}`,
  ]);
  const by = [...c.refusedBy].map(([status, n]) => `${grouped(n)} with ${status}`).join(", ");
  rows.push(["refused", c.refused === 0 ? "0" : by]);
  if (group.total > c.sent) {
    rows.push(["never sent", `${grouped(group.total - c.sent)} (the server did not take them)`]);
  }
  for (const [why, n] of c.closed) rows.push(["closed early", `${n} x ${why}`]);
  return rows;
}

/** The same for machines. */
export function groupFigures(group: TalkGroup, seconds: number): Record<string, unknown> {
  const c: TalkCounts = group.counts;
  return {
    rate: c.storedMeasured / seconds,
    sent: c.sent,
    neverSent: group.total - c.sent,
    stored: c.stored,
    refused: c.refused,
    refusedBy: c.refusedBy,
    pushed: c.pushed,
    lost: c.lost,
    duplicates: c.duplicates,
    outOfOrder: c.outOfOrder,
    phantom: c.phantom,
    unknown: c.unknown,
    stray: c.stray,
    other: c.other,
    closed: c.closed,
    sendToAckMs: group.latency.sendToAck.summary(),
    sendToPushMs: group.latency.sendToPush.summary(),
    sendDelayMs: group.latency.sendDelay.summary(),
  };
}

/** What decides, over all groups. */
export function tilesOf(groups: readonly TalkGroup[]): Tile[] {
  const sum = (count: (counts: TalkCounts) => number) => groups.reduce((n, { counts }) => n + count(counts), 0);
  return [
    ["lost", sum((c) => c.lost)],
    ["twice", sum((c) => c.duplicates)],
    ["out of order", sum((c) => c.outOfOrder)],
    ["phantom", sum((c) => c.phantom)],
    ["unanswered", sum((c) => c.unknown)],
  ];
}

/** What is wrong with a group, in words. */
export function faultsOf(group: TalkGroup): string[] {
  const c = group.counts;
  const never = group.total - c.sent;
  const faults: [number, string][] = [
    [c.lost, "lost"],
    [c.duplicates, "duplicates"],
    [c.outOfOrder, "out of order"],
    [c.phantom, "phantom"],
    [c.unknown, "unanswered"],
    [c.stray, "stray answers"],
    [never, "never sent"],
    [total(c.closed), "connections closed early"],
  ];
  return faults.filter(([n]) => n > 0).map(([n, what]) => `${grouped(n)} ${what}`);
}

/** A line each second: rates since the last one, in flight, lost so far. */
export function progressOf(group: TalkGroup): () => void {
  let sent = 0;
  let stored = 0;
  let second = 0;
  return () => {
    const c = group.counts;
    const late = group.due - c.sent;
    say(
      `${String(++second).padStart(4)} s  sent ${grouped(c.sent - sent)}/s  stored ${grouped(c.stored - stored)}/s  ` +
        `in flight ${grouped(c.unknown)}  refused ${grouped(c.refused)}  lost so far ${grouped(c.missing)}` +
        (late > group.plan.rate / 20 ? `  overdue ${grouped(late)}` : ""),
    );
    sent = c.sent;
    stored = c.stored;
  };
}
