import { existsSync, mkdirSync, mkdtempSync, renameSync, rmSync } from "node:fs";
import { homedir, tmpdir } from "node:os";
import { join } from "node:path";

const folders: string[] = [];
process.on("exit", () => {
  for (const folder of folders) rmSync(folder, { recursive: true, force: true });
});
for (const signal of ["SIGINT", "SIGTERM"] as const) process.on(signal, () => process.exit(130));

/** A folder that is gone when this process is; in memory where that can be, as what is timed is this code, not a disk. */
export function scratchFolder({ onDisk = false }: { readonly onDisk?: boolean } = {}): string {
  const folder = mkdtempSync(
    join(!onDisk && existsSync("/dev/shm") ? "/dev/shm" : tmpdir(), "stowage-bench-"),
  );
  folders.push(folder);
  return folder;
}

/** A folder that is made once and kept for later runs; its name tells what is in it, and whose making it is. */
export function cachedFolder(name: string, make: (folder: string) => void): string {
  const root = join(process.env["XDG_CACHE_HOME"] ?? join(homedir(), ".cache"), "stowage-bench");
  const folder = join(root, name);
  if (existsSync(folder)) return folder;
  const unfinished = `${folder}.${process.pid}`;
  mkdirSync(unfinished, { recursive: true });
  try {
    make(unfinished);
    renameSync(unfinished, folder);
  } finally {
    rmSync(unfinished, { recursive: true, force: true });
  }
  return folder;
}
