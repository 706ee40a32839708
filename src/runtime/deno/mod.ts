import { useSlabs } from "../../base/bytes.ts";

// What the core needs of Deno. `#runtime` is this file there; comm/ports.ts `Runtime` is its list.
export { hmacSha256, randomBytes } from "../node/crypto.ts";
export { usage } from "../node/usage.ts";
export { bundle } from "./bundle.ts";
export { serveHttp } from "./http.ts";
export { dial, listenTcp } from "./tcp.ts";

export const name = "deno";
export const version: string = Deno.version.deno;

useSlabs();
