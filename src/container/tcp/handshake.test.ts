import { describe, expect, test } from "bun:test";
import { createHmac } from "node:crypto";
import petrel from "../../../tests/vectors/petrel.json" with { type: "json" };
import wire from "../../../tests/vectors/wire.json" with { type: "json" };
import { checkHello, helloBytes, readHello } from "./handshake.ts";

const GATE = "gate01";

function vector(name: string): Uint8Array {
  const rows: readonly { readonly name: string; readonly hex: string }[] = [...wire, ...petrel];
  return Uint8Array.fromHex(rows.find((one) => one.name === name)!.hex);
}

describe("the handshake", () => {
  const sign = (data: Uint8Array) =>
    new Uint8Array(createHmac("sha256", "cluster-test-secret-of-32-bytes!").update(data).digest());

  test("is exactly these bytes, with a proof and KIM's", () => {
    const ours = helloBytes(GATE, "2123884822469009408", 1795208576205.7, sign);
    expect(ours.toHex()).toBe(vector("petrel-handshake").toHex().slice(10));
    expect(helloBytes(GATE, "", 5, sign).toHex()).toBe(vector("tcp-inner-handshake").toHex().slice(10));
    const hello = { gateId: GATE, incarnation: "2123884822469009408", timeMs: 1795208576205 };
    expect(readHello(ours)).toMatchObject(hello);
  });

  test("is held against the secret and the clock", () => {
    const hello = readHello(helloBytes(GATE, "7", 1_000_000, sign))!;
    expect(checkHello(hello, 1_060_000, sign)).toBe(undefined);
    expect(checkHello(hello, 1_060_600, sign)).toBe("clocks differ by 61 s");
    expect(checkHello(hello, 939_000, sign)).toBe("clocks differ by 61 s");
    for (const change of [{ gateId: "gate02" }, { incarnation: "8" }, { timeMs: 1_000_001 }, { proof: "x" }]) {
      expect(checkHello({ ...hello, ...change }, 1_000_000, sign)).toBe("another cluster secret");
    }
    expect(checkHello({ ...hello, proof: "" }, 1_000_000, sign)).toBe("no cluster secret");
  });

  test("of somebody else is none", () => {
    for (const text of ["GET / HTTP/1.1", "", "\u0016\u0003\u0001"]) {
      expect(readHello(new TextEncoder().encode(text))).toBe(undefined);
    }
    expect(readHello(helloBytes("gate 01", "7", 0, sign))).toBe(undefined);
    expect(readHello(vector("petrel-login-forwarded"))).toBe(undefined);
  });
});
