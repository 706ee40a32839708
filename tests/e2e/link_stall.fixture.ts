/** Run by link_stall.test.ts, and stopped by it: a logic server's links. Prints its port, then what reaches it. */
import { listenTcp } from "#runtime";
import { systemClock } from "../../src/base/clock.ts";
import { silent } from "../../src/base/logger.ts";
import { Metrics } from "../../src/base/metrics.ts";
import { LinkServer } from "../../src/container/tcp/link_server.ts";

const links = new LinkServer({ serviceId: "chat01" }, {
  clock: systemClock,
  log: { ...silent, warn: (message) => console.log(message) },
  metrics: new Metrics(),
  logic: {
    attach: ({ peerId }) => console.log(`up ${peerId}`),
    closed: ({ peerId }) => console.log(`down ${peerId}`),
    up: ({ header }) => console.log(`request ${header.sequence}`),
  },
});
const listening = await listenTcp({ hostname: "127.0.0.1", port: 0 }, links.accept);
links.listening(listening);
console.log(`port ${listening.port}`);
