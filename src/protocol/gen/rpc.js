// @ts-self-types="./rpc.d.ts"
export * as rpc from "./rpc_messages.ts";
