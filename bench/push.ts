// Pushes a real Python stack (14 packages, 6,700 files, 284 MB) as a user does, beside tar and pigz, which only pack.
import { rmSync } from "node:fs";
import { join } from "node:path";
import { gzipSync } from "node:zlib";
import { packPrefix } from "../src/archive/pack.js";
import { Failure } from "../src/base/failure.js";
import { systemFiles } from "../src/io/system/files.js";
import { loadLibdeflate } from "../src/io/workers/libdeflate.js";
import { type Stack, unpackStack } from "./data/stack.js";
import type { Benchmark, Prepare } from "./harness.js";
import { homeIn, nothing, spend, stowage } from "./support/command.js";
import { startRegistry } from "./support/registries.js";
import { scratchFolder } from "./support/scratch.js";

export const prepare: Prepare = async (options) => {
  const scratch = scratchFolder();
  const stack = unpackStack(join(scratch, "machine"), options);
  const { sysroot, storeRoot, specs, prefixes } = stack;
  const registry = await startRegistry(join(scratch, "registry"));
  const push = async (repository: string, home: string, options: readonly string[] = []) => {
    const mirror = `oci+http://${registry.host}/${repository}`;
    const command = ["buildcache", "push", "--json", "--store", storeRoot, "--sysroot", sysroot, mirror];
    const { stdout, ...spent } = await spend(
      [...stowage, ...command, ...options, ...specs, "--update-index"],
      {
        env: homeIn(home),
      },
    );
    return { ...spent, size: sum(sizesIn(stdout)) };
  };

  let repositories = 0;
  const home = join(scratch, "home");
  const packed = join(scratch, "pigz.tar.gz");
  const zlib6 = sum(prefixes.map((prefix) => gzipSync(tarOf(stack, prefix)).byteLength));
  const again = join(scratch, "again");
  await push("again", again);
  const pushToEmpty = (
    demands: Benchmark["demands"],
    how = "",
    options: readonly string[] = [],
  ): Benchmark => ({
    name: `push ${prefixes.length} packages to an empty repository of ${registry.name}, with index${how}`,
    run: () => push(`empty${repositories++}`, home, options),
    peer: {
      name: "tar c | pigz -6 -p 2 (in size: zlib 6)",
      program: "pigz",
      run: async () => {
        const script = `tar -c -C ${sysroot} ${storeRoot.slice(1)} | pigz -6 -p 2 > ${packed}`;
        return { ...(await spend(["sh", "-c", script])), size: zlib6 };
      },
    },
    // What it remembers of the layers that it packed would spare it the work.
    reset: () => rmSync(home, { recursive: true, force: true }),
    rounds: 5,
    demands,
  });
  const libdeflate = ["--compression-engine", "libdeflate"];
  return [
    pushToEmpty([{ times: 0.6 }, { size: 1.03 }]),
    ...(hasLibdeflate()
      ? [
          pushToEmpty([{ times: 0.38 }], ", by libdeflate", libdeflate),
          pushToEmpty([{ times: 0.38 }], ", by libdeflate at level 1", [
            ...libdeflate,
            "--compression-level",
            "1",
          ]),
        ]
      : []),
    {
      name: "push again, all there",
      run: () => push("again", again),
      peer: { name: "node -e 0", run: () => spend(nothing) },
      demands: [{ times: 3.5 }],
    },
  ];
};

/** Told by name where the system has none, as a peer is. */
function hasLibdeflate(): boolean {
  try {
    loadLibdeflate();
    return true;
  } catch (error) {
    if (!(error instanceof Failure)) throw error;
    console.error(`push: libdeflate is skipped: ${error.message}`);
    return false;
  }
}

/** Bytes of the layers that a push tells of. */
function sizesIn(stdout: string): number[] {
  const { pushed, failed } = JSON.parse(stdout);
  if (failed.length > 0) throw new Error(`not pushed: ${JSON.stringify(failed)}`);
  return pushed.map(({ size }: { size: number }) => size);
}

function tarOf({ sysroot, storeRoot }: Stack, prefix: string): Buffer {
  const distribution = {
    sbangInstallPath: `${storeRoot}/bin/sbang`,
    buildPath: storeRoot,
    spackPrefix: storeRoot,
    relativePrefix: prefix.slice(storeRoot.length + 1),
    hashToPrefix: new Map<string, string>(),
  };
  const request = { prefix, directory: join(sysroot, prefix), distribution };
  return Buffer.concat(Array.from(packPrefix(request, systemFiles), (piece) => Buffer.from(piece)));
}

const sum = (numbers: readonly number[]): number => numbers.reduce((all, one) => all + one, 0);
