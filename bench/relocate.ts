import { execFileSync } from "node:child_process";
import { mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { planBinary, relocateBinary } from "../src/relocate/binary.js";
import { type PrefixMap, prefixMapOf } from "../src/relocate/prefix-map.js";
import { leftoversIn } from "../src/relocate/scan.js";
import type { Benchmark, Prepare } from "./harness.js";

const archive = join(import.meta.dirname, "../../../shared/fixtures/python-stack.store.tar.xz"); // from dist/bench
const old = "/opt/stacks/ci0";

/** The python stack's ELF files, relocated to other roots in memory. */
export const prepare: Prepare = () => {
  const { files, prefixes } = readStack();
  const count = files.reduce((size, { length }) => size + length, 0);
  const mapTo = (root: string) =>
    prefixMapOf([...prefixes, old].map((path) => [path, root + path.slice(old.length)]));
  const of = (name: string, work: (file: Buffer, map: PrefixMap) => unknown, root: string): Benchmark => {
    const map = mapTo(root);
    return { name, count, unit: "bytes", run: () => files.map((file) => work(file, map)) };
  };
  return [
    of("plan for a shorter root", planBinary, "/opt/s"),
    of("relocate to a shorter root", relocateBinary, "/opt/s"),
    of("relocate to a longer root", relocateBinary, `/opt/${"longer/".repeat(10)}root`),
    of("scan for what is left", leftoversIn, "/opt/s"),
  ];
};

function readStack(): { files: Buffer[]; prefixes: string[] } {
  const scratch = mkdtempSync(join(tmpdir(), "stowage-bench-"));
  try {
    execFileSync("tar", ["-xJf", archive, "-C", scratch]);
    const store = join(old, "linux-x86_64");
    const files = readdirSync(join(scratch, store), { recursive: true, withFileTypes: true })
      .filter((entry) => entry.isFile())
      .map((entry) => readFileSync(join(entry.parentPath, entry.name)))
      .filter((bytes) => bytes.subarray(0, 4).toString("latin1") === "\x7fELF");
    return { files, prefixes: readdirSync(join(scratch, store)).map((name) => join(store, name)) };
  } finally {
    rmSync(scratch, { recursive: true });
  }
}
