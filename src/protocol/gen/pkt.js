// @ts-self-types="./pkt.d.ts"
export * as pkt from "./pkt_messages.ts";
