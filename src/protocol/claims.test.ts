import { describe, expect, test } from "bun:test";
import { createHmac } from "node:crypto";
import { ImError } from "../base/errors.ts";
import { makeToken, readToken, TokenError } from "./claims.ts";

const NOW = 1_700_000_000;
const CLAIMS = { acc: "ann", app: "kim", exp: NOW + 60 };

const hmac = (data: Uint8Array) => createHmac("sha256", "a secret of the tests").update(data).digest();
const token = makeToken(CLAIMS, hmac);

/** A token with any header and payload, signed as asked for. */
function forge(head: unknown, payload: unknown, algorithm = "sha256"): string {
  const signed = `${part(head)}.${part(payload)}`;
  return `${signed}.${createHmac(algorithm, "a secret of the tests").update(signed).digest("base64url")}`;
}

function part(value: unknown): string {
  const text = typeof value === "string" ? value : JSON.stringify(value);
  return new TextEncoder().encode(text).toBase64({ alphabet: "base64url", omitPadding: true });
}

function refusal(text: string, now = NOW): string | undefined {
  try {
    readToken(text, now, hmac);
  } catch (thrown) {
    if (!(thrown instanceof TokenError)) throw thrown;
    expect(thrown.code).toBe("UNAUTHORIZED");
    if (text.length > 20) expect(thrown.message).not.toContain(text.slice(0, 20));
    return thrown.reason;
  }
  return undefined;
}

const HS256 = { alg: "HS256", typ: "JWT" };

describe("token", () => {
  test("gives its claims back, and no others", () => {
    expect(readToken(token, NOW, hmac)).toEqual(CLAIMS);
    expect(readToken(forge(HS256, { ...CLAIMS, admin: true }), NOW, hmac)).toEqual(CLAIMS);
  });

  test("a header in another order or with a key id is the same header", () => {
    expect(refusal(forge({ typ: "JWT", alg: "HS256", kid: "1" }, CLAIMS))).toBe(undefined);
    expect(refusal(forge({ alg: "HS256" }, CLAIMS))).toBe(undefined);
  });

  test.each<[string, string, string]>([
    ["none", forge({ alg: "none" }, CLAIMS), "algorithm"],
    ["none, unsigned", `${part({ alg: "none" })}.${part(CLAIMS)}.`, "algorithm"],
    ["HS512 of the same secret", forge({ alg: "HS512" }, CLAIMS, "sha512"), "algorithm"],
    ["HS384", forge({ alg: "HS384" }, CLAIMS, "sha384"), "algorithm"],
    ["RS256", forge({ alg: "RS256" }, CLAIMS), "algorithm"],
    ["hs256 in small letters", forge({ alg: "hs256" }, CLAIMS), "algorithm"],
    ["a list of algorithms", forge({ alg: ["HS256"] }, CLAIMS), "algorithm"],
    ["no algorithm", forge({}, CLAIMS), "algorithm"],
    ["a critical extension", forge({ ...HS256, crit: ["b64"] }, CLAIMS), "algorithm"],
    [
      "another secret's signature",
      makeToken(CLAIMS, (data) => createHmac("sha256", "other").update(data).digest()),
      "signature",
    ],
    ["no signature", token.slice(0, token.lastIndexOf(".") + 1), "signature"],
    ["half a signature", token.slice(0, -20), "signature"],
    ["a padded signature", `${token}=`, "signature"],
    ["empty", "", "malformed"],
    ["no dots", "abc", "malformed"],
    ["two parts", token.slice(0, token.lastIndexOf(".")), "malformed"],
    ["four parts", `${token}.x`, "malformed"],
    ["an empty header", token.slice(token.indexOf(".")), "malformed"],
    ["a header that is not base64url", `+++.${part(CLAIMS)}.x`, "malformed"],
    ["a header that is not JSON", `${part("{")}.${part(CLAIMS)}.x`, "malformed"],
    ["a header that is a list", forge([], CLAIMS), "malformed"],
    ["a payload that is not JSON", forge(HS256, "x"), "malformed"],
    ["a payload that is a text", forge(HS256, '"x"'), "malformed"],
    ["a payload that is null", forge(HS256, "null"), "malformed"],
    ["no account", forge(HS256, { app: "kim", exp: NOW + 60 }), "claims"],
    ["an empty account", forge(HS256, { ...CLAIMS, acc: "" }), "claims"],
    ["an account with a comma", forge(HS256, { ...CLAIMS, acc: "a,b" }), "claims"],
    ["an account of 61 characters", forge(HS256, { ...CLAIMS, acc: "a".repeat(61) }), "claims"],
    ["an account that is a number", forge(HS256, { ...CLAIMS, acc: 5 }), "claims"],
    ["no app", forge(HS256, { acc: "ann", exp: NOW + 60 }), "claims"],
    ["an app with a space", forge(HS256, { ...CLAIMS, app: "k m" }), "claims"],
    ["no expiry", forge(HS256, { acc: "ann", app: "kim" }), "claims"],
    ["an expiry that is a text", forge(HS256, { ...CLAIMS, exp: String(NOW + 60) }), "claims"],
    ["an expiry that is null", forge(HS256, { ...CLAIMS, exp: null }), "claims"],
    ["longer than 4096 characters", forge(HS256, { ...CLAIMS, more: "x".repeat(4096) }), "malformed"],
  ])("refuses %s", (_, text, reason) => {
    expect(refusal(text)).toBe(reason);
  });

  test("is valid until its expiry, not at it", () => {
    expect(refusal(token, CLAIMS.exp - 1)).toBe(undefined);
    expect(refusal(token, CLAIMS.exp)).toBe("expired");
    expect(refusal(token, CLAIMS.exp + 1)).toBe("expired");
  });

  test("every changed character of header, payload or signature is noticed", () => {
    for (let i = 0; i < token.length; i++) {
      if (token[i] === ".") continue;
      const other = token[i] === "A" ? "B" : "A";
      expect(refusal(token.slice(0, i) + other + token.slice(i + 1))).not.toBe(undefined);
    }
  });

  test("the unused bits of the signature's last character cannot be changed", () => {
    const alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    const last = alphabet.indexOf(token.at(-1)!);
    for (const bits of [1, 2, 3]) expect(refusal(token.slice(0, -1) + alphabet[last ^ bits]!)).toBe("signature");
  });

  test("a refusal is an ImError", () => {
    expect(() => readToken("x", NOW, hmac)).toThrow(ImError);
  });
});
