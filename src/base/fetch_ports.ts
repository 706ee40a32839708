/** What browsers and fetch never ask. Source: the Fetch Standard, "port blocking". */
const BLOCKED: readonly (number | readonly [from: number, to: number])[] = [
  ...[0, 1, 7, 9, 11, 13, 15, 17, [19, 23] as const, 25, 37, 42, 43, 53, 69, 77, 79, 87, 95, [101, 104] as const],
  ...[[109, 111] as const, 113, 115, 117, 119, 123, 135, 137, 139, 143, 161, 179, 389, 427, 465, [512, 515] as const],
  ...[526, [530, 532] as const, 540, 548, 554, 556, 563, 587, 601, 636, 989, 990, 993, 995, 1719, 1720, 1723, 2049],
  ...[3659, 4045, 4190, 5060, 5061, 6000, 6566, [6665, 6669] as const, 6679, 6697, 10080],
];

/** Can nobody reach HTTP there with fetch, or a WebSocket from a page? */
export function isBlockedByFetch(port: number): boolean {
  return BLOCKED.some((one) => typeof one === "number" ? one === port : one[0] <= port && port <= one[1]);
}
