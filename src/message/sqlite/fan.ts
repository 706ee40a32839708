/**
 * Who got which position of a group message, as `messages.fan` has it: `account log u32 | position u32` of each member,
 * big-endian, in the order they joined.
 */
export class Fan {
  /** What the column holds. */
  readonly bytes: Uint8Array<ArrayBuffer>;
  readonly #view: DataView;
  #length = 0;

  /** For so many members. */
  constructor(count: number) {
    this.bytes = new Uint8Array(count * PAIR);
    this.#view = new DataView(this.bytes.buffer);
  }

  /** hot: per member of a group message */
  add(log: number, pos: number): void {
    this.#view.setUint32(this.#length, log);
    this.#view.setUint32(this.#length + 4, pos);
    this.#length += PAIR;
  }
}

const PAIR = 8;

/** Visits every pair of a `fan` column. */
export function eachInFan(bytes: Uint8Array, visit: (log: number, pos: number) => void): void {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  for (let at = 0; at + PAIR <= bytes.length; at += PAIR) visit(view.getUint32(at), view.getUint32(at + 4));
}

/** The position one log has in a `fan` column; undefined: it is not in there. */
export function positionInFan(bytes: Uint8Array, log: number): number | undefined {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  for (let at = 0; at + PAIR <= bytes.length; at += PAIR) {
    if (view.getUint32(at) === log) return view.getUint32(at + 4);
  }
  return undefined;
}
