import { describe, expect, test } from "bun:test";
import { readFileSync } from "node:fs";
import { enumOf, typeNames, typeOf } from "../../tests/vectors/reflect.ts";
import { fromBase36, toBase36 } from "./base36.ts";
import { CLOSE } from "./close_reason.ts";
import { commandOf, COMMANDS } from "./commands.ts";
import { crc32 } from "./crc32.ts";
import { NO_META } from "./header.ts";
import { decodeLocation, encodeLocation } from "./location.ts";
import { ALLOWED_FROM_CLIENT, findText, META, textMeta } from "./meta.ts";
import { STATUS, statusName } from "./status.ts";
import { isCloseCode } from "./ws_frame.ts";

describe("tables", () => {
  test("STATUS has the numbers of proto/common.proto", () => {
    expect(Object.values(STATUS).map((row): number => row.wire)).toEqual(Object.values(enumOf("Status")));
  });

  test("statusName finds every row and no other number", () => {
    for (const [name, row] of Object.entries(STATUS)) expect(statusName(row.wire) as string).toBe(name);
    expect(statusName(7)).toBe(undefined);
  });

  test("a command is found by its name, and no name is there twice", () => {
    for (const row of Object.values(COMMANDS)) expect(commandOf(row.name)).toBe(row);
    expect(commandOf("toString")).toBe(undefined);
  });

  test("commands of a gateway are not in a client's name space", () => {
    for (const row of Object.values(COMMANDS)) expect(row.name.startsWith("im.")).toBe(row.from === "gateway");
  });

  test("close codes are in their ranges: 4000 to 4499 say reconnect, 4500 to 4999 do not", () => {
    for (const row of Object.values(CLOSE)) {
      if (row !== CLOSE.GONE) expect(isCloseCode(row.code)).toBe(true);
      if (row.code >= 4000) expect(row.reconnect).toBe(row.code < 4500);
    }
    expect(new Set(Object.values(CLOSE).map((row) => row.code)).size).toBe(Object.keys(CLOSE).length);
  });
});

describe("proto/WIRE.md", () => {
  const page = readFileSync(new URL("../../proto/WIRE.md", import.meta.url), "utf8");

  test("has a row for every status, close code, command and meta, with the same words", () => {
    for (const row of Object.values(STATUS)) expect(page).toContain(`\n| ${row.wire} | `);
    for (const row of Object.values(CLOSE)) {
      expect(page).toContain(`\n| ${row.code} | ${row.reason} | ${row.reconnect ? "yes" : "no"} | `);
    }
    for (const row of Object.values(COMMANDS)) expect(page).toContain(`\n| \`${row.name}\``);
    for (const key of Object.values(META)) expect(page).toContain(`\n| \`${key}\` | `);
  });

  test("names every field that proto/ adds", () => {
    for (const name of typeNames().filter((name) => name.startsWith("pkt."))) {
      const added = typeOf(name).fieldsArray.filter((field) => field.id >= 100);
      if (added.length === 0) continue;
      const row = added.map((field) => `${field.id} ${field.protoName} ${field.type}`).join(" · ");
      expect(page).toContain(`\n| ${name.slice(4)} | ${row}`);
    }
  });

  test("links to headings that exist", () => {
    const headings = [...page.matchAll(/^#+ (.+)$/gm)].map((match) => match[1]!.toLowerCase().replaceAll(" ", "-"));
    const links = [...page.matchAll(/\]\(#([^)]+)\)/g)].map((match) => match[1]!);
    expect(links.filter((link) => !headings.includes(link))).toEqual([]);
  });
});

describe("metas", () => {
  test("findText takes the first text of a key, and no value of another type", () => {
    const metas = [{ key: "app", value: "5", type: 0 }, textMeta("app", "kim"), textMeta("app", "other")];
    expect(findText(metas, META.APP)).toBe("kim");
    expect(findText(metas, META.ACCOUNT)).toBe(undefined);
    expect(findText(NO_META, META.APP)).toBe(undefined);
  });

  test("nothing that routes is read from a client", () => {
    expect([...ALLOWED_FROM_CLIENT].every((key) => key.startsWith("im."))).toBe(true);
    for (const key of [META.POS, META.KEY, META.WAIT, META.ANSWERS, META.OWN]) {
      expect(ALLOWED_FROM_CLIENT.has(key)).toBe(false);
    }
  });
});

describe("small codecs", () => {
  test("fromBase36 takes what toBase36 gives and refuses other texts", () => {
    for (const id of [1n, 36n, 2123884822469009408n, 2n ** 63n - 1n]) expect(fromBase36(toBase36(id))).toBe(id);
    for (const text of ["", "0", "01", "A", "g4wmc1q1j01s!", "1y2p0ij32e8e8", "zzzzzzzzzzzzzz", "-1", " 1"]) {
      expect(fromBase36(text)).toBe(undefined);
    }
  });

  test("crc32 of a text is that of its UTF-8 bytes", () => {
    expect(crc32("123456789")).toBe(0xcbf43926);
    expect(crc32("é")).toBe(crc32(Uint8Array.of(0xc3, 0xa9)));
    expect(crc32("")).toBe(0);
  });

  test("a location comes back, and every cut or lengthened one is refused", () => {
    const location = { channelId: "gate01_é_1", gateId: "gate01" };
    const bytes = encodeLocation(location);
    expect(decodeLocation(bytes)).toEqual(location);
    for (let length = 0; length < bytes.length; length++) {
      expect(() => decodeLocation(bytes.subarray(0, length))).toThrow("location");
    }
    expect(() => decodeLocation(Uint8Array.of(...bytes, 0))).toThrow("location");
    expect(() => decodeLocation(Uint8Array.of(0, 1, 0xff, 0, 0))).toThrow("location");
    expect(() => encodeLocation({ channelId: "x".repeat(65_536), gateId: "" })).toThrow("65536");
  });
});
