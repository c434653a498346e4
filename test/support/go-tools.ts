import { execFile } from "node:child_process";
import { existsSync, mkdirSync, renameSync } from "node:fs";
import { homedir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";

/** Where programs of others are kept between runs, outside the project. */
const cache = process.env["STOWAGE_PEERS"] ?? join(homedir(), ".cache/stowage-peers");

/** A module is fetched and built within this many milliseconds, or not at all. */
const buildLimit = 240_000;

/** A program's path, or why it cannot be had here. */
export type GoTool = { readonly path: string } | { readonly missing: string };

/** Builds a Go program, once for all runs. */
export async function goTool(module: string, version: string): Promise<GoTool> {
  const name = module.split("/").at(-1) ?? module;
  const path = join(cache, `${name}-${version}`);
  if (existsSync(path)) return { path };
  const bin = join(cache, `build-${process.pid}`);
  mkdirSync(bin, { recursive: true });
  try {
    await promisify(execFile)("go", ["install", `${module}@${version}`], {
      timeout: buildLimit,
      cwd: bin,
      env: { ...process.env, GOBIN: bin, GOFLAGS: "-mod=mod" },
    });
  } catch (error) {
    const said = error instanceof Error && "stderr" in error ? String(error.stderr) : String(error);
    return { missing: `go install ${module}@${version}: ${said.trim().split("\n").at(-1)?.trim()}` };
  }
  renameSync(join(bin, name), path);
  return { path };
}
