/** Base64url without padding, RFC 4648 section 5. */
export function toBase64url(bytes: Uint8Array): string {
  // `Uint8Array.prototype.toBase64` is not in Node 22.
  let chars = "";
  for (let i = 0; i < bytes.length; i++) chars += String.fromCharCode(bytes[i]!);
  return btoa(chars).replaceAll("+", "-").replaceAll("/", "_").replaceAll("=", "");
}

/** Undefined for anything else, padding and white space too. */
export function fromBase64url(text: string): Uint8Array | undefined {
  if (!/^[\w-]*$/.test(text) || text.length % 4 === 1) return undefined;
  const chars = atob(text.replaceAll("-", "+").replaceAll("_", "/"));
  const bytes = new Uint8Array(chars.length);
  for (let i = 0; i < bytes.length; i++) bytes[i] = chars.charCodeAt(i);
  return bytes;
}
