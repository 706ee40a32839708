import type { AckEvent, HistoryEvent, InboxEvent, InboxRow, ScreenEvent, SendEvent } from "./history.ts";
import type { Random } from "./random.ts";
import type { Fault } from "./verdict.ts";

/** A way to spoil a clean history so that exactly one kind of fault is in it; undefined: this history has no place. */
export interface Plant {
  readonly name: string;
  readonly fault: Fault;
  readonly spoil: (events: HistoryEvent[], random: Random) => HistoryEvent[] | undefined;
}

export const PLANTS: readonly Plant[] = [
  { name: "a received row is missing from the old paging", fault: "lost", spoil: dropRow("index", 0) },
  { name: "a received row is missing from sync", fault: "lost", spoil: dropRow("sync", 0) },
  { name: "the sender's own copy is missing", fault: "lost", spoil: dropRow("sync", 1) },
  { name: "a push never appears on the only judge, a screen", fault: "lost", spoil: dropScreen },
  { name: "a row is in an inbox twice", fault: "twice", spoil: onRows("index", (row) => [row, row]) },
  {
    name: "an acked message is stored twice",
    fault: "twice",
    spoil: onRows("index", (row) => [row, { ...row, messageId: "7" }]),
  },
  { name: "a repeat under one client id is stored twice", fault: "twice", spoil: storeAgain((send) => "key" in send) },
  { name: "an unanswered message is stored twice", fault: "twice", spoil: storeAgain((_, ack) => ack === undefined) },
  { name: "a push comes twice", fault: "twice", spoil: onScreen((event) => [event, event]) },
  { name: "two rows of one channel are swapped", fault: "order", spoil: swapRows },
  { name: "two pushes of one channel are swapped", fault: "order", spoil: swapScreens },
  {
    name: "a message that nobody sent is in an inbox",
    fault: "phantom",
    spoil: onRows("index", (row) => [row, { ...row, messageId: "8", id: "never" }]),
  },
  { name: "a refused message is in an inbox", fault: "phantom", spoil: showRefused },
  {
    name: "a row names another sender",
    fault: "phantom",
    spoil: onRows("index", (row) => [{ ...row, sender: "somebody" }]),
  },
  {
    name: "a push nobody sent appears",
    fault: "phantom",
    spoil: onScreen((event) => [event, { ...event, messageId: "9", id: "never" }]),
  },
  { name: "a push appears at somebody else's", fault: "phantom", spoil: misdeliver },
  { name: "a position is skipped", fault: "hole", spoil: skipPosition },
];

type Spoil = Plant["spoil"];

function inboxes(events: readonly HistoryEvent[], via: "index" | "sync"): InboxEvent[] {
  return events.filter((event) => event.event === "inbox" && event.via === via) as InboxEvent[];
}

function acksOf(events: readonly HistoryEvent[]): Map<number, AckEvent> {
  return new Map(events.flatMap((event) => event.event === "ack" ? [[event.attempt, event] as const] : []));
}

/** Body ids that were sent once and acked. */
function ackedOnce(events: readonly HistoryEvent[]): Map<string, SendEvent> {
  const acks = acksOf(events);
  const sends = events.filter((event) => event.event === "send");
  const times = new Map<string, number>();
  for (const send of sends) times.set(send.id, (times.get(send.id) ?? 0) + 1);
  const once = sends.filter((send) => times.get(send.id) === 1 && acks.get(send.attempt)?.status === 0);
  return new Map(once.map((send) => [send.id, send]));
}

function replace(events: readonly HistoryEvent[], old: HistoryEvent, by: readonly HistoryEvent[]): HistoryEvent[] {
  return events.flatMap((event) => event === old ? by : [event]);
}

function renumbered(rows: readonly InboxRow[]): InboxRow[] {
  return rows.map((row, i) => row.pos === undefined ? row : { ...row, pos: i + 1 });
}

/** Changes one acked row of one reading. */
function onRows(via: "index" | "sync", change: (row: InboxRow) => InboxRow[], direction?: 0 | 1): Spoil {
  return (events, random) => {
    const acked = ackedOnce(events);
    const fits = (row: InboxRow) => acked.has(row.id) && (direction === undefined || row.direction === direction);
    const readings = inboxes(events, via).filter((reading) => reading.rows.some(fits));
    if (readings.length === 0) return undefined;
    const reading = random.pick(readings);
    const row = random.pick(reading.rows.filter(fits));
    const rows = renumbered(reading.rows.flatMap((one) => one === row ? change(row) : [one]));
    return replace(events, reading, [{ ...reading, rows }]);
  };
}

function dropRow(via: "index" | "sync", direction: 0 | 1): Spoil {
  return onRows(via, () => [], direction);
}

/** Accounts whose inbox was read. */
function readers(events: readonly HistoryEvent[]): Set<string> {
  return new Set(events.flatMap((event) => event.event === "inbox" ? [event.client] : []));
}

function onScreen(change: (event: ScreenEvent) => ScreenEvent[]): Spoil {
  return (events, random) => {
    const acked = ackedOnce(events);
    const shown = events.filter((event) => event.event === "screen" && acked.has(event.id)) as ScreenEvent[];
    if (shown.length === 0) return undefined;
    const event = random.pick(shown);
    return replace(events, event, change(event));
  };
}

function dropScreen(events: HistoryEvent[], random: Random): HistoryEvent[] | undefined {
  const acked = ackedOnce(events);
  const read = readers(events);
  const shown = events.filter((e) => e.event === "screen" && acked.has(e.id) && !read.has(e.client));
  return shown.length === 0 ? undefined : replace(events, random.pick(shown), []);
}

function storeAgain(which: (send: SendEvent, ack: AckEvent | undefined) => boolean): Spoil {
  return (events, random) => {
    const acks = acksOf(events);
    const sends = events.filter((event) => event.event === "send");
    const ids = new Set(sends.filter((send) => which(send, acks.get(send.attempt))).map((send) => send.id));
    const readings = inboxes(events, "index").filter((reading) => reading.rows.some((row) => ids.has(row.id)));
    if (readings.length === 0) return undefined;
    const reading = random.pick(readings);
    const row = random.pick(reading.rows.filter((one) => ids.has(one.id)));
    const rows = reading.rows.flatMap((one) => one === row ? [one, { ...one, messageId: "7" }] : [one]);
    return replace(events, reading, [{ ...reading, rows }]);
  };
}

/** Two places in a list whose messages came over one channel. */
function twoOfOneChannel(ids: readonly string[], acked: ReadonlyMap<string, SendEvent>, random: Random) {
  const places: [number, number][] = [];
  ids.forEach((id, i) => {
    const conn = acked.get(id)?.conn;
    const j = ids.findIndex((other, at) => at > i && acked.get(other)?.conn === conn);
    if (conn !== undefined && j > 0) places.push([i, j]);
  });
  return places.length === 0 ? undefined : random.pick(places);
}

function swapRows(events: HistoryEvent[], random: Random): HistoryEvent[] | undefined {
  const acked = ackedOnce(events);
  for (const reading of inboxes(events, "index")) {
    const places = twoOfOneChannel(reading.rows.map((row) => row.id), acked, random);
    if (places === undefined) continue;
    const rows = [...reading.rows];
    [rows[places[0]], rows[places[1]]] = [rows[places[1]]!, rows[places[0]]!];
    return replace(events, reading, [{ ...reading, rows }]);
  }
  return undefined;
}

function swapScreens(events: HistoryEvent[], random: Random): HistoryEvent[] | undefined {
  const acked = ackedOnce(events);
  const conn = random.pick([...new Set(events.flatMap((event) => event.event === "screen" ? [event.conn] : []))]);
  const shown = events.filter((event) => event.event === "screen" && event.conn === conn) as ScreenEvent[];
  const places = twoOfOneChannel(shown.map((event) => event.id), acked, random);
  if (places === undefined) return undefined;
  const [one, other] = [shown[places[0]]!, shown[places[1]]!];
  return events.map((event) => event === one ? other : event === other ? one : event);
}

function showRefused(events: HistoryEvent[], random: Random): HistoryEvent[] | undefined {
  const acks = acksOf(events);
  const read = readers(events);
  const refused = events.filter((event) =>
    event.event === "send" && acks.get(event.attempt)?.status === 302 && read.has(event.dest)
  ) as SendEvent[];
  if (refused.length === 0) return undefined;
  const send = random.pick(refused);
  const reading = inboxes(events, "index").find((one) => one.client === send.dest)!;
  const row: InboxRow = { messageId: "7", id: send.id, sender: send.client, direction: 0 };
  return replace(events, reading, [{ ...reading, rows: [...reading.rows, row] }]);
}

function misdeliver(events: HistoryEvent[], random: Random): HistoryEvent[] | undefined {
  const acked = ackedOnce(events);
  const shown = events.filter((e) => e.event === "screen" && acked.get(e.id)?.to === undefined) as ScreenEvent[];
  const strangers = events.filter((event) => event.event === "online");
  const event = shown.find((one) => acked.has(one.id));
  if (event === undefined) return undefined;
  const other = random.pick(strangers.filter(({ client }) => client !== event.client));
  return replace(events, event, [event, { ...event, client: other.client, conn: other.conn }]);
}

function skipPosition(events: HistoryEvent[], random: Random): HistoryEvent[] | undefined {
  const readings = inboxes(events, "sync").filter((reading) => reading.rows.length > 0);
  if (readings.length === 0) return undefined;
  const reading = random.pick(readings);
  const from = random.between(0, reading.rows.length);
  const rows = reading.rows.map((row, i) => i < from ? row : { ...row, pos: row.pos! + 1 });
  return replace(events, reading, [{ ...reading, rows }]);
}
