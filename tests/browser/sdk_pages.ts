import { createServer, type Server } from "node:http";
import { ROOT } from "../support/processes.ts";
import { bundle } from "./bundle.ts";

/** No eval, no inline script, nothing from elsewhere: the SDK must work on the strictest of pages. */
const POLICY = "default-src 'none'; script-src 'self'; connect-src ws:; img-src data:";

/** Serves a bare page with the SDK on it. */
export class SdkPages implements AsyncDisposable {
  readonly url: string;
  readonly #server: Server;

  private constructor(server: Server, url: string) {
    this.#server = server;
    this.url = url;
  }

  static async start(): Promise<SdkPages> {
    const script = await bundle(`${ROOT}tests/browser/sdk_page.fixture.ts`);
    const server = createServer((request, response) => {
      if (request.url === "/sdk_page.js") response.writeHead(200, { "content-type": "text/javascript" }).end(script);
      else if (request.url === "/") {
        response.writeHead(200, { "content-type": "text/html; charset=utf-8", "content-security-policy": POLICY });
        response.end(
          "<!doctype html><link rel=icon href=data:><title>SDK</title><script type=module src=/sdk_page.js></script>",
        );
      } else response.writeHead(404).end();
    });
    await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
    const address = server.address();
    if (typeof address !== "object" || address === null) throw new Error(`Cannot listen: got ${address}`);
    return new SdkPages(server, `http://127.0.0.1:${address.port}/`);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#server.closeAllConnections();
    await new Promise((resolve) => this.#server.close(resolve));
  }
}
