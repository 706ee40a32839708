import { createHash } from "node:crypto";

/** A Lua script, and the digest that Redis knows it by. */
export class Script {
  readonly text: string;
  readonly digest: string;

  constructor(text: string) {
    this.text = text.replace(/^ *(--.*)?\n/gm, "").trim();
    this.digest = createHash("sha1").update(this.text).digest("hex");
  }
}
