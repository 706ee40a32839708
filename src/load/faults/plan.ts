import { Random } from "../random.ts";

/** What can be done to a system, by its word on the command line. */
export const FAULT_KINDS = ["kill", "pause", "cut", "flush", "clock", "restart"] as const;
export type FaultKind = (typeof FAULT_KINDS)[number];

/**
 * How a link is cut:
 * - **abrupt**: all its connections are reset.
 * - **black hole**: nothing passes for a while, connections stay open and new ones can be made; then all is reset.
 * - **stall**: the same, but then everything that waited passes.
 * - **half a frame**: of the next bytes of each connection only the first half passes, then it is reset.
 */
export const CUT_WAYS = ["abrupt", "black hole", "stall", "half a frame"] as const;
export type CutWay = (typeof CUT_WAYS)[number];

/** One fault of a plan. `pick`, from 0 up to 1, says which of a role's servers, or of a kind's links. */
export type PlannedFault =
  & {
    /** Its number in the plan, from 1. */
    readonly number: number;
    /** After the end of the one before; or, `together`, after its beginning. */
    readonly waitMs: number;
    readonly together: boolean;
    readonly pick: number;
    /** How long it lasts: down, paused, silent, with a wrong clock. */
    readonly forMs: number;
  }
  & (
    | { readonly kind: "kill" | "pause"; readonly role: string }
    /** `role` is the server's own name. */
    | { readonly kind: "restart"; readonly role: string }
    | { readonly kind: "cut"; readonly link: string; readonly way: CutWay }
    | { readonly kind: "flush" }
    | { readonly kind: "clock"; readonly role: string; readonly shiftMs: number }
  );

export interface PlanOptions {
  readonly seed: number;
  /**
   * Roles whose servers can be killed, paused…, kinds of links that can be cut; for restarts names of servers, each of
   * which is one. An empty list: not done.
   */
  readonly kill: readonly string[];
  readonly pause: readonly string[];
  readonly clock: readonly string[];
  readonly restart: readonly string[];
  readonly links: readonly string[];
  /** Times in a cycle, for each role or link: what a run must have done at least. */
  readonly counts: FaultCounts;
  /** Mean time between the end of a fault and the next. */
  readonly everyMs: number;
  /** A pause lasts that long or up to a quarter longer; give more than a lease. */
  readonly pauseMs: number;
}

export type FaultCounts = Readonly<Record<FaultKind, number>>;

/** A fault that begins before the one before has ended. */
const TOGETHER = 0.2;
/** Sizes of clock jumps: below and above what signatures allow (60 s). */
const JUMPS_MS = [2_000, 30_000, 90_000] as const;
/** A kill of a gateway that lasts longer than its lease (10 s), in a third of all cases. */
const LONG_DOWN_MS = 11_000;

type What =
  | { readonly kind: "kill" | "pause" | "restart"; readonly role: string }
  | { readonly kind: "cut"; readonly link: string }
  | { readonly kind: "flush" }
  | { readonly kind: "clock"; readonly role: string; readonly sign: 1 | -1 };

/** The faults of one cycle, not yet in an order. */
function cycleOf({ kill, pause, clock, restart, links, counts }: PlanOptions): What[] {
  const all: What[] = [];
  const add = (times: number, what: What) => {
    for (let i = 0; i < times; i++) all.push(what);
  };
  for (const role of kill) add(counts.kill, { kind: "kill", role });
  for (const role of pause) add(counts.pause, { kind: "pause", role });
  for (const link of links) add(counts.cut, { kind: "cut", link });
  add(counts.flush, { kind: "flush" });
  for (const role of clock) {
    add(Math.ceil(counts.clock / 2), { kind: "clock", role, sign: 1 });
    add(Math.floor(counts.clock / 2), { kind: "clock", role, sign: -1 });
  }
  for (const role of restart) add(counts.restart, { kind: "restart", role });
  return all;
}

/** How many faults fulfil all minimum counts. */
export function cycleLength(options: PlanOptions): number {
  return cycleOf(options).length;
}

/**
 * The faults of a run, without end: cycles of the same faults, each in another order. A function of the options
 * alone: the same seed gives the same plan.
 */
export function* planFaults(options: PlanOptions): Generator<PlannedFault, void> {
  const random = new Random(options.seed * 1_000_003 + 17);
  const cycle = cycleOf(options);
  for (let number = 1; cycle.length > 0;) {
    for (const what of shuffled(cycle, random)) yield plannedFault(what, number++, options, random);
  }
}

function plannedFault(what: What, number: number, { everyMs, pauseMs }: PlanOptions, random: Random): PlannedFault {
  const together = random.next() < TOGETHER && number > 1 && what.kind !== "restart";
  const waitMs = Math.round((together ? 0.5 : 1) * everyMs * (0.5 + random.next()));
  const [pick, share, size] = [random.next(), random.next(), random.next()];
  const common = { number, waitMs, together, pick };
  switch (what.kind) {
    case "kill": {
      const long = what.role.includes("gateway") && size < 1 / 3;
      return { ...common, ...what, forMs: Math.round(long ? LONG_DOWN_MS + 2_000 * share : 200 + 2_800 * share) };
    }
    case "pause":
      return { ...common, ...what, forMs: Math.round(pauseMs * (1 + share / 4)) };
    case "cut": {
      const way = CUT_WAYS[Math.floor(size * CUT_WAYS.length)]!;
      return { ...common, ...what, way, forMs: Math.round(1_000 + 7_000 * share) };
    }
    case "clock": {
      const jump = JUMPS_MS[Math.floor(size * JUMPS_MS.length)]!;
      return { ...common, kind: "clock", role: what.role, shiftMs: what.sign * jump, forMs: Math.round(8_000 * share) };
    }
    default:
      return { ...common, ...what, forMs: 0 };
  }
}

function shuffled<T>(list: readonly T[], random: Random): T[] {
  const out = [...list];
  for (let i = out.length - 1; i > 0; i--) {
    const j = random.between(0, i + 1);
    [out[i], out[j]] = [out[j]!, out[i]!];
  }
  return out;
}

/** What counts together: all kills of a role, all cuts of a kind of link. */
export function faultName(fault: PlannedFault): string {
  switch (fault.kind) {
    case "cut":
      return `cut ${fault.link}`;
    case "flush":
      return "flush";
    default:
      return `${fault.kind} ${fault.role}`;
  }
}

/** A fault in words: `12  pause logic for 13.1 s`. */
export function faultText(fault: PlannedFault): string {
  const { number, forMs } = fault;
  const seconds = (forMs / 1000).toFixed(1);
  const more = fault.kind === "cut"
    ? `: ${fault.way}${fault.way === "black hole" || fault.way === "stall" ? ` for ${seconds} s` : ""}`
    : fault.kind === "clock"
    ? ` by ${fault.shiftMs / 1000} s, back after ${seconds} s`
    : fault.kind === "kill"
    ? `, back after ${seconds} s`
    : fault.kind === "pause"
    ? ` for ${seconds} s`
    : "";
  return `${String(number).padStart(3)}  ${faultName(fault)}${more}`;
}
