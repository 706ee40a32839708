export * as pkt from "./pkt_messages.ts";
