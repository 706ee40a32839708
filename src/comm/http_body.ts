import { ImError } from "../base/errors.ts";

/** How large a body may be, before it is read: what it announces, else `most`. @throws {ImError} FRAME_TOO_LARGE */
export function announcedBytes(request: Request, most: number): number {
  const announced = request.headers.get("content-length");
  if (announced === null) return request.body ? most : 0;
  const bytes = Number(announced);
  if (!(bytes <= most)) throw tooLarge(most);
  return bytes;
}

/** The body of a request, read no further than `most` bytes. @throws {ImError} FRAME_TOO_LARGE */
export async function readBody(request: Request, most: number): Promise<Uint8Array> {
  if (request.headers.has("content-length")) {
    announcedBytes(request, most);
    return new Uint8Array(await request.arrayBuffer());
  }
  const parts: Uint8Array[] = [];
  let length = 0;
  for await (const part of request.body ?? []) {
    length += part.length;
    if (length > most) throw tooLarge(most);
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

function tooLarge(most: number): ImError {
  return new ImError("FRAME_TOO_LARGE", `Cannot read request: it has more than ${most} bytes`);
}
