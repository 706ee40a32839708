import type { Content } from "../protocol/body_codec.ts";
import { keyPart, packValue, unpackValue } from "../upstash/value.ts";
import type { Session } from "./store.ts";

/** One device of an account, as its account's string has it. */
export interface DeviceEntry {
  readonly device: string;
  readonly generation: string;
  readonly channelId: string;
  readonly gateId: string;
  readonly incarnation: string;
  readonly content: Content;
}

/** `device|generation|channel|location`. */
export function entryOf({ device, generation, channelId, gateId, incarnation, content }: Session): string {
  const location = packValue([gateId, incarnation, content]);
  return `${keyPart(device)}|${generation}|${keyPart(channelId)}|${location}`;
}

/** The devices of an account's string; what cannot be read is left out. */
export function entriesOf(text: string): DeviceEntry[] {
  const entries: DeviceEntry[] = [];
  for (const one of text.split(",")) {
    const entry = readEntry(one);
    if (entry) entries.push(entry);
  }
  return entries;
}

function readEntry(text: string): DeviceEntry | undefined {
  const [device, generation, channel, location] = text.split("|");
  const value = unpackValue(location);
  if (device === undefined || generation === undefined || channel === undefined || !value) return undefined;
  const [gateId, incarnation, content] = value;
  if (typeof gateId !== "string" || typeof incarnation !== "string" || !isContent(content)) return undefined;
  const channelId = decodePart(channel);
  const name = decodePart(device);
  if (channelId === undefined || name === undefined) return undefined;
  return { device: name, generation, channelId, gateId, incarnation, content };
}

/** A session as its channel keeps it. */
export function sessionText(session: Session): string {
  const { app, account, device, channelId, gateId, incarnation, content, generation, remoteIp, zone, isp, tags } =
    session;
  const place = [gateId, incarnation, content];
  return packValue([app, account, device, channelId, ...place, generation, remoteIp, zone, isp, [...tags]]);
}

/** undefined: it is none. */
export function readSession(text: unknown): Session | undefined {
  const value = unpackValue(text);
  if (!value) return undefined;
  const [app, account, device, channelId, gateId, incarnation, content, generation, remoteIp, zone, isp, tags] = value;
  const texts = [app, account, device, channelId, gateId, incarnation, remoteIp, zone, isp];
  if (!texts.every((one) => typeof one === "string") || !isContent(content) || !isList(tags)) return undefined;
  if (typeof generation !== "bigint" && typeof generation !== "number") return undefined;
  return {
    app: textOf(app),
    account: textOf(account),
    device: textOf(device),
    channelId: textOf(channelId),
    gateId: textOf(gateId),
    incarnation: textOf(incarnation),
    content,
    generation: BigInt(generation),
    remoteIp: textOf(remoteIp),
    zone: textOf(zone),
    isp: textOf(isp),
    tags,
  };
}

/** One that was put out: its session, or, where only the location is left, what that says. */
export function readPutOut(text: unknown, app: string, account: string): Session | undefined {
  if (typeof text !== "string" || !text.includes("|")) return readSession(text);
  const entry = readEntry(text);
  if (!entry || !/^\d+$/.test(entry.generation)) return undefined;
  return { ...entry, app, account, generation: BigInt(entry.generation), remoteIp: "", zone: "", isp: "", tags: [] };
}

function textOf(value: unknown): string {
  return typeof value === "string" ? value : "";
}

function isContent(value: unknown): value is Content {
  return value === "protobuf" || value === "json" || value === "msgpack";
}

function isList(value: unknown): value is string[] {
  return Array.isArray(value) && value.every((one) => typeof one === "string");
}

function decodePart(part: string): string | undefined {
  if (!part.includes("%")) return part;
  try {
    return decodeURIComponent(part);
  } catch {
    return undefined; // not ours
  }
}
