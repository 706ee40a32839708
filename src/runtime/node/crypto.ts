import { createHash, createHmac, createSecretKey, randomBytes as nodeRandomBytes, randomFillSync } from "node:crypto";
import type { MaskKeys } from "../../comm/ws_conn.ts";
import { plain } from "./bytes.ts";

/** A function that signs with the UTF-8 bytes of this secret. */
export function hmacSha256(secret: string): (data: Uint8Array) => Uint8Array {
  const key = createSecretKey(secret, "utf8");
  return (data) => plain(createHmac("sha256", key).update(data).digest());
}

/** From the system's secure source. */
export function randomBytes(count: number): Uint8Array {
  return plain(nodeRandomBytes(count));
}

/** What a WebSocket server answers for a client's key. Source: RFC 6455 section 4.2.2. */
export function wsAccept(key: string): string {
  return createHash("sha1").update(key + "258EAFA5-E914-47DA-95CA-C5AB0DC85B11").digest("base64");
}

/** Mask keys from the system's secure source, fetched 1,024 at a time. */
export function maskKeys(): MaskKeys {
  const pool = new Uint8Array(4096);
  let at = pool.length;
  return () => {
    if (at === pool.length) {
      randomFillSync(pool);
      at = 0;
    }
    at += 4;
    return pool.subarray(at - 4, at);
  };
}
