import { ImError } from "../../base/errors.ts";

/** Larger requests are refused. */
export const MOST_BYTES = 16 << 20;

/** How large a body may be, before it is read: what it announces. @throws {ImError} FRAME_TOO_LARGE */
export function announcedBytes(request: Request): number {
  const announced = request.headers.get("content-length");
  if (announced === null) return request.body ? MOST_BYTES : 0;
  const bytes = Number(announced);
  if (!(bytes <= MOST_BYTES)) throw tooLarge();
  return bytes;
}

/** The body of a request, read no further than the limit. @throws {ImError} FRAME_TOO_LARGE */
export async function readBody(request: Request): Promise<Uint8Array> {
  if (request.headers.has("content-length")) {
    return new Uint8Array(await request.arrayBuffer());
  }
  const parts: Uint8Array[] = [];
  let length = 0;
  for await (const part of request.body ?? []) {
    length += part.length;
    if (length > MOST_BYTES) throw tooLarge();
    parts.push(part);
  }
  const body = new Uint8Array(length);
  let at = 0;
  for (const part of parts) {
    body.set(part, at);
    at += part.length;
  }
  return body;
}

function tooLarge(): ImError {
  return new ImError("FRAME_TOO_LARGE", `Cannot read request: it has more than ${MOST_BYTES} bytes`);
}
