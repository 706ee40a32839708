import { copyFile, mkdir, symlink, writeFile } from "node:fs/promises";
import { existsSync } from "node:fs";
import { delimiter, dirname, join } from "node:path";
import process from "node:process";
import type { Browser, Page as Tab } from "playwright-core";
import { startChromium } from "../tests/browser/chromium.ts";
import { type Child, start } from "../tests/support/processes.ts";
import { freePort } from "../tests/support/free_port.ts";
import { tempDir } from "../tests/support/temp.ts";
import { findChromium } from "./chromium.ts";
import type { Form, Key, Page, Step } from "./doc_blocks.ts";

/** A step's answer: what is to be seen, or the end of a command. */
const WAIT_MS = 60_000;
const LOOK_MS = 50;
const NO_TABS = "browser tabs, for lack of a Chromium";
/** Ports that pages name; the walk has free ones in their place. */
const PORTS = [8000, 8001, 3000];
/** How this machine reaches the network is nothing a page could know. */
const NETWORK = /^(node_extra_ca_certs|node_use_system_ca|ssl_cert_(file|dir)|(https?|no|all)_proxy)$/i;
/** All the programs that a reader needs, beside the ones of their form. */
const BASICS = ["sh", "cat", "cp", "mkdir", "env", "uname", "ldd"];

export interface WalkOptions {
  readonly form: Form;
  /** Where the runtime of that form is: `bun`, or `node` with npm beside it or on PATH. */
  readonly program: string;
  /** The packed package, laid into the folder before the first step. */
  readonly tarball: string;
}

/**
 * Follows a page word for word in a new folder, with an empty home and nothing on PATH but what it says one needs.
 * Gives what it could not do, and why. @throws when a step does not show what the page says it shows.
 */
export async function walk(page: Page, options: WalkOptions): Promise<string[]> {
  await using dir = await tempDir();
  await using walker = new Walker(dir.in("chat"), await environment(dir.path, options));
  await mkdir(dir.in("chat"));
  await copyFile(options.tarball, dir.in("chat", options.tarball.slice(dirname(options.tarball).length + 1)));
  const steps = page.steps.filter((step) => step.do !== "run" || (step.form ?? options.form) === options.form);
  for (const step of steps) {
    try {
      await walker.take(step);
    } catch (error) {
      const why = error instanceof Error ? error.message : String(error);
      throw new Error(`${step.where} (${options.form}): ${why}`, { cause: error });
    }
  }
  return [...walker.left];
}

interface Surroundings {
  /** undefined: not there, unlike in this process's own. */
  readonly env: Readonly<Record<string, string | undefined>>;
  /** A page's text with the ports of this walk. */
  readonly ported: (text: string) => string;
}

async function environment(folder: string, { form, program }: WalkOptions): Promise<Surroundings> {
  const bin = join(folder, "bin");
  await mkdir(bin);
  await mkdir(join(folder, "home"));
  for (const name of BASICS) {
    const path = onPath(name);
    if (path) await symlink(path, join(bin, name));
  }
  await symlink(program, join(bin, form));
  for (const name of form === "node" ? ["npm", "npx"] : []) await symlink(onPath(name) ?? name, join(bin, name));
  if (form === "bun") await symlink(program, join(bin, "bunx"));
  const ports = new Map<string, string>();
  for (const port of PORTS) ports.set(`${port}`, `${await freePort()}`);
  const home = process.env["HOME"] ?? "/";
  return {
    env: {
      ...Object.fromEntries(
        Object.keys(process.env).filter((name) => !NETWORK.test(name)).map((name) => [name, undefined]),
      ),
      PATH: bin,
      HOME: join(folder, "home"),
      NO_COLOR: "1",
      PETREL_HTTP: `localhost:${ports.get("8000")}`,
      PETREL_TCP: `localhost:${ports.get("8001")}`,
      // What was downloaded once need not be again.
      npm_config_cache: process.env["npm_config_cache"] ?? join(home, ".npm"),
      npm_config_prefer_offline: "true",
      BUN_INSTALL_CACHE_DIR: process.env["BUN_INSTALL_CACHE_DIR"] ?? join(home, ".bun/install/cache"),
    },
    ported: (text) => text.replaceAll(/\b(?:8000|8001|3000)\b/g, (port) => ports.get(port) ?? port),
  };
}

/** The first program of that name on this process's own PATH. */
export function onPath(name: string): string | undefined {
  const folders = (process.env["PATH"] ?? "").split(delimiter);
  return folders.map((folder) => join(folder, name)).find((path) => existsSync(path));
}

/** One reader with terminals and browser tabs. */
class Walker implements AsyncDisposable {
  /** What could not be done here. */
  readonly left = new Set<string>();
  readonly #folder: string;
  readonly #around: Surroundings;
  readonly #terminals = new Map<string, Terminal>();
  readonly #tabs = new Map<string, TabView>();
  #browser: Browser | undefined;

  constructor(folder: string, around: Surroundings) {
    this.#folder = folder;
    this.#around = around;
  }

  async take(step: Step): Promise<void> {
    const text = "text" in step ? this.#around.ported(step.text) : "";
    switch (step.do) {
      case "write":
        await mkdir(dirname(join(this.#folder, step.file)), { recursive: true });
        return await writeFile(join(this.#folder, step.file), text);
      case "run": {
        await this.#terminals.get(step.terminal)?.end(false);
        const { env } = this.#around;
        const terminal = new Terminal(await start("sh", ["-e", "-c", text], { cwd: this.#folder, env, input: true }));
        this.#terminals.set(step.terminal, terminal);
        return step.stays ? undefined : await terminal.end(true);
      }
      case "open":
        return await this.#open(step);
      default: {
        const place = this.#tabs.get(step.place) ?? this.#terminals.get(step.place);
        if (!place && !this.left.has(NO_TABS)) throw new Error(`nothing is called ${step.place}`);
        if (step.do === "press") await place?.press(step.key);
        else if (step.do === "see") await place?.see(text);
        else await place?.type(text);
      }
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#browser?.close();
    for (const terminal of this.#terminals.values()) await terminal[Symbol.asyncDispose]();
  }

  async #open({ tab, terminal, nth }: Step & { do: "open" }): Promise<void> {
    if (!findChromium()) return void this.left.add(NO_TABS);
    const output = this.#terminals.get(terminal)?.output ?? "";
    const url = [...output.matchAll(/^http\S+/gm)][nth - 1]?.[0];
    if (!url) throw new Error(`terminal ${terminal} shows no address`);
    this.#browser ??= await startChromium();
    // Tabs of one browser: they share its storage.
    const context = this.#browser.contexts()[0] ?? await this.#browser.newContext();
    const page = await context.newPage();
    this.#tabs.set(tab, new TabView(page));
    await page.goto(url);
  }
}

/** Lines that appear one after the other; what was seen is not looked at again. */
class Sight {
  #at = 0;

  /** Are they all there? `text` is all there is so far. */
  has(text: string, wanted: string): boolean {
    let at = this.#at;
    for (const line of wanted.split("\n").filter((one) => one.trim() !== "")) {
      const found = new RegExp(pattern(line.trim())).exec(text.slice(at));
      if (!found) return false;
      at += found.index + found[0].length;
    }
    this.#at = at;
    return true;
  }
}

/** Spaces are any number of spaces, `…` is any text of that line. */
function pattern(line: string): string {
  return line.split("…").map((part) => part.replaceAll(/[.*+?^${}()|[\]\\]/g, "\\$&").replaceAll(/ +/g, " +")).join(
    ".*",
  );
}

/** One command line in a terminal, with all it starts. */
class Terminal {
  readonly #sight = new Sight();
  readonly #child: Child;

  constructor(child: Child) {
    this.#child = child;
  }

  get output(): string {
    return this.#child.stdout;
  }

  async see(wanted: string): Promise<void> {
    const endMs = performance.now() + WAIT_MS;
    for (let ended = false; !this.#sight.has(this.output, wanted); ended = this.#child.ended) {
      if (ended || performance.now() > endMs) throw this.#error(`there is no "${wanted.replaceAll("\n", " / ")}"`);
      await pause(LOOK_MS);
    }
  }

  type(text: string): Promise<void> {
    this.#child.write(text + "\n");
    return Promise.resolve();
  }

  press(key: Key): Promise<void> {
    if (key === "ctrl-d") this.#child.endInput();
    else void this.#child.stop("SIGINT");
    return Promise.resolve();
  }

  /** Waits until the command line is through. `well`: with exit code 0. */
  async end(well: boolean): Promise<void> {
    const late = pause(WAIT_MS, false);
    const exit = await Promise.race([this.#child.exited, late]);
    if (exit === undefined) throw this.#error("it does not end");
    if (well && exit.code !== 0) throw this.#error(`it ended with ${exit.code ?? exit.signal}`);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#child.kill();
  }

  #error(why: string): Error {
    return new Error(`${why}\n${this.#child.stdout}${this.#child.stderr}`);
  }
}

function pause(ms: number, holds = true): Promise<undefined> {
  return new Promise((resolve) => {
    const timer = setTimeout(() => resolve(undefined), ms);
    if (!holds) timer.unref();
  });
}

class TabView {
  readonly #tab: Tab;
  readonly #errors: string[] = [];

  constructor(tab: Tab) {
    this.#tab = tab;
    tab.on("pageerror", (error) => this.#errors.push(error.message));
  }

  async see(wanted: string): Promise<void> {
    const endMs = performance.now() + WAIT_MS;
    const sight = new Sight(); // a page changes everywhere
    for (let text = ""; !sight.has(text, wanted); text = await this.#tab.locator("body").innerText()) {
      if (this.#errors.length > 0) throw new Error(`the page fails: ${this.#errors.join("; ")}`);
      if (performance.now() > endMs) throw new Error(`there is no "${wanted}" in\n${text}`);
      await pause(LOOK_MS);
    }
  }

  async type(text: string): Promise<void> {
    await this.#tab.locator("input").fill(text);
    await this.#tab.locator("input").press("Enter");
  }

  async press(_reload: Key): Promise<void> {
    await this.#tab.reload();
  }
}
