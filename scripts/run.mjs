// What the scripts share: run a command in the project, install what a fresh clone lacks.
import { spawnSync } from "node:child_process";
import { existsSync } from "node:fs";
import { fileURLToPath } from "node:url";

export const root = fileURLToPath(new URL("..", import.meta.url)).replace(/\/$/, "");

/** Runs a command of the project and gives its exit code (1 where a signal ended it). */
export function run(command, args, options = {}) {
  const done = spawnSync(command, args, { cwd: root, stdio: "inherit", ...options });
  if (done.error) throw done.error;
  return done.status ?? 1;
}

/** Runs a tool that npm installed. */
export const tool = (name, args, options) => run(`${root}/node_modules/.bin/${name}`, args, options);

/** Installs the pinned dependencies, where this checkout has none yet. */
export function install() {
  if (existsSync(`${root}/node_modules/.package-lock.json`)) return;
  console.error("Installing dependencies (npm ci) ...");
  const code = run("npm", ["ci", "--no-audit", "--no-fund"], { stdio: ["ignore", 2, 2] });
  if (code !== 0) process.exit(code);
}
