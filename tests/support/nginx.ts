import { spawnSync } from "node:child_process";
import { readFileSync, writeFileSync } from "node:fs";
import process from "node:process";
import { type Child, ROOT, start } from "./processes.ts";
import { type TempDir, tempDir } from "./temp.ts";

const PROGRAM = process.env["NGINX_PROGRAM"] ?? "nginx";

/** Why no nginx can be started here, for skipped tests; undefined: one can. */
export function whyNoNginx(): string | undefined {
  const found = spawnSync(PROGRAM, ["-v"]).status === 0;
  return found ? undefined : "no nginx here (Debian: apt-get install nginx; or NGINX_PROGRAM=<path>)";
}

/**
 * One of our configurations as it would be used here: on another port, with other servers behind it, and with its files in
 * a folder.
 * @param servers by the names, or paths, that the configuration has.
 */
function configured(file: string, folder: TempDir, port: number, servers: Readonly<Record<string, string>>): string {
  let text = readFileSync(`${ROOT}scripts/deploy/nginx/${file}`, "utf8");
  const upstreams = [...text.matchAll(/^ {4}server (\S+?)(?: max_fails.*)?;$/gm)].map(([, name]) => name!);
  for (const name of upstreams) text = text.replaceAll(`server ${name}`, `server ${servers[name] ?? "127.0.0.1:1"}`);
  const temporary = ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"];
  const paths = temporary.map((kind) => `${kind}_temp_path ${folder.in(kind)};`).join("\n");
  return text
    .replace(/worker_rlimit_nofile .*/, "")
    .replace(/worker_connections .*/, "worker_connections 1024;")
    .replace("http {", `http {\n${paths}`)
    .replace("listen 80;", `listen 127.0.0.1:${port};`);
}

/** What nginx says to one of our configurations; "" when it has no objection. */
export async function objections(file: string): Promise<string> {
  await using folder = await tempDir();
  writeFileSync(folder.in("nginx.conf"), configured(file, folder, 1, {}));
  const { status, stderr } = spawnSync(PROGRAM, ["-t", ...options(folder)], { encoding: "utf8" });
  return status === 0 && !/\[(warn|emerg)\]/.test(stderr) ? "" : stderr;
}

/** A running nginx with one of our configurations. */
export async function startNginx(
  file: string,
  port: number,
  servers: Readonly<Record<string, string>>,
): Promise<AsyncDisposable & { readonly child: Child }> {
  const folder = await tempDir();
  writeFileSync(folder.in("nginx.conf"), configured(file, folder, port, servers));
  const child = await start(PROGRAM, options(folder));
  return {
    child,
    async [Symbol.asyncDispose]() {
      await child.stop("SIGTERM");
      await folder[Symbol.asyncDispose]();
    },
  };
}

function options(folder: TempDir): string[] {
  const user = process.getuid?.() === 0 ? "user root;" : ""; // its workers must be let into our unix sockets
  const globals = `daemon off; ${user} pid ${folder.in("pid")};`;
  return ["-p", folder.path, "-c", folder.in("nginx.conf"), "-e", "stderr", "-g", globals];
}
