import { execFileSync } from "node:child_process";
import { existsSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";

const root = fileURLToPath(new URL("../..", import.meta.url));

/** Larger files by real Spacks, beside the project where they are at hand. */
export const shared = join(root, "../shared/fixtures");
export const hasShared = existsSync(shared);

/** Root of the store in `store-1.3.tar.gz`, as its packages name it. */
export const spackRoot = "/opt/spack-fixture/opt/spack";

/** A directory of a test's own, on a file system in memory where there is one; removed when disposed. */
export function scratchDirectory(): Disposable & { readonly path: string } {
  const path = mkdtempSync(join(existsSync("/dev/shm") ? "/dev/shm" : tmpdir(), "stowage-"));
  return { path, [Symbol.dispose]: () => rmSync(path, { recursive: true, force: true }) };
}

/** Unpacks the store that Spack 1.3 wrote below `directory`, which so becomes a sysroot. */
export function unpackStore(directory: string): void {
  execFileSync("tar", [
    "-xzf",
    join(root, "test/fixtures/store-1.3.tar.gz"),
    "-C",
    directory,
    "--no-same-owner",
  ]);
}
