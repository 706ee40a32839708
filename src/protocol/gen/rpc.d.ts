export * as rpc from "./rpc_messages.ts";
