// What someone who installed the package builds servers from; scripts/check_package.ts checks its types and runs it.
import {
  type CommandContext,
  CommandRouter,
  Gateway,
  type GatewayConfig,
  LogicServer,
  MemoryLink,
} from "petrel/server";

export const parts: readonly (new (...args: never[]) => object)[] = [Gateway, LogicServer, MemoryLink, CommandRouter];

export function port(config: GatewayConfig): string {
  return config.serviceId;
}

export function who(ctx: CommandContext): string {
  return ctx.account;
}
