/** The server side, for processes of your own: gateway, logic server, and what joins them. */
export { Gateway, type GatewayDeps } from "./gateway/gateway.ts";
export { GatewayClients } from "./gateway/clients.ts";
export { GATEWAY_DEFAULTS, type GatewayConfig } from "./gateway/config.ts";
export { type UpgradeOptions, upgradeRoute } from "./gateway/upgrade.ts";
export { LogicServer } from "./logic/logic.ts";
export type { LogicDeps } from "./logic/deps.ts";
export { logicRoutes } from "./logic/routes.ts";
export { monitorApp, type MonitorDeps } from "./monitor/app.ts";
export { CommandRouter, type Handler, type Middleware } from "../command/router.ts";
export type { CommandContext } from "../command/context.ts";
export type { RequestKey, Target } from "../protocol/route.ts";
export { MemoryLink } from "../container/memory_link.ts";
export { LinkServer, type LinkServerDeps, type LinkServerOptions } from "../container/tcp/link_server.ts";
export { LinkClient, type LinkClientDeps, type LinkClientOptions } from "../container/tcp/link_client.ts";
export type { Downlink, Downward, LinkGateway, LinkLogic, LinkState, Uplink, Upward } from "../container/link.ts";
