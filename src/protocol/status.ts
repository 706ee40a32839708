/**
 * What a peer is told in the header's `status`. One row per `Status` of proto/common.proto.
 * `retry`: the same request may be sent again later. Source: proto/WIRE.md "Statuses".
 */
export const STATUS = {
  SUCCESS: { wire: 0, retry: false },
  /** A talk without `dest`. */
  NO_DESTINATION: { wire: 100, retry: false },
  /** The body does not parse, is too long, names an unknown group or too many ids. */
  INVALID_BODY: { wire: 101, retry: false },
  /** The same client message id was used for another content. */
  DUPLICATE_ID: { wire: 102, retry: false },
  /** A command that is not allowed at this moment: not `login.signin` first, or a second login. */
  INVALID_COMMAND: { wire: 103, retry: false },
  /** Bad token, not a member, kicked. */
  UNAUTHORIZED: { wire: 105, retry: false },
  /** A quota that waiting does not help. */
  QUOTA: { wire: 106, retry: false },
  /** Not stored because of a failure here; try again. */
  SYSTEM: { wire: 300, retry: true },
  /** No such command. */
  NOT_IMPLEMENTED: { wire: 301, retry: false },
  /** Rate, overload, draining or too late: not stored, wait, then try again. */
  BUSY: { wire: 302, retry: true },
  /** Log in again; only sent when that helps. */
  SESSION_LOST: { wire: 404, retry: false },
} as const;

/** The name of a row. */
export type StatusName = keyof typeof STATUS;

const byWire = new Map<number, StatusName>(
  (Object.keys(STATUS) as StatusName[]).map((name) => [STATUS[name].wire, name]),
);

/** The row's name for a status on the wire; undefined for a number that no row has. */
export function statusName(wire: number): StatusName | undefined {
  return byWire.get(wire);
}
