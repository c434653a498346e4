import { existsSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
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
