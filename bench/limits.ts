// Packages far larger than most: one with a file of 5 GB, whose memory counts, and one with 20,000 small files.
import { closeSync, mkdirSync, openSync, rmSync, writeFileSync, writeSync } from "node:fs";
import { join } from "node:path";
import { unpackStack } from "./data/stack.js";
import { type Benchmark, type Prepare, seeded } from "./harness.js";
import { homeIn, spend, stowage } from "./support/command.js";
import { startRegistry } from "./support/registries.js";
import { scratchFolder } from "./support/scratch.js";

const mebibyte = 1024 * 1024;

export const prepare: Prepare = async ({ short }) => {
  const gigabytes = scratchFolder({ onDisk: true });
  const scratch = scratchFolder();
  const mebibytes = short ? 16 : 5 * 1024;
  const files = short ? 500 : 20_000;
  const large = await makePackage(gigabytes, "large", (prefix) =>
    writeLargeFile(join(prefix, "share.dat"), mebibytes),
  );
  const many = await makePackage(scratch, "many", (prefix) => writeSmallFiles(join(prefix, "share"), files));
  return [
    ...large(`a package with a file of ${mebibytes} MiB`, { rounds: 1, demands: [{ memory: 200e6 }] }),
    ...many(`a package with ${files} files`, { rounds: 5, demands: [] }),
  ];
};

/** A store in which bzip2 got more files; gives what pushes it and installs it, beside tar. */
async function makePackage(scratch: string, name: string, addFiles: (prefix: string) => void) {
  const { sysroot, storeRoot, prefixes } = unpackStack(join(scratch, "machine"), { short: true });
  const prefix = prefixes.find((path) => path.includes("/bzip2-"));
  if (prefix === undefined) throw new Error(`${storeRoot} has no bzip2`);
  addFiles(join(sysroot, prefix));
  const registry = await startRegistry(join(scratch, "registry"));
  const mirror = (repository: string) => `oci+http://${registry.host}/${repository}`;
  const home = join(scratch, "home");
  const env = homeIn(home);
  const root = ["--store", storeRoot, "--sysroot", sysroot];
  const push = (repository: string) =>
    spend([...stowage, "buildcache", "push", ...root, mirror(repository), `/${prefix.slice(-32)}`], { env });
  let repositories = 0;
  const packed = join(scratch, "packed.tar.gz");
  const target = join(scratch, "target");
  const installed = [...stowage, "install", "--store", join(target, "store"), "--mirror", mirror(`${name}0`)];
  const forget = (): void => {
    rmSync(home, { recursive: true, force: true });
    rmSync(target, { recursive: true, force: true });
  };
  return (what: string, options: Pick<Benchmark, "rounds" | "demands">): Benchmark[] => [
    {
      name: `push ${what}`,
      run: () => push(`${name}${repositories++}`),
      peer: {
        name: "tar c | pigz -6 -p 2",
        program: "pigz",
        run: () => spend(["sh", "-c", `tar -c -C ${sysroot}${prefix} . | pigz -6 -p 2 > ${packed}`]),
      },
      reset: forget,
      ...options,
    },
    {
      name: `install ${what}`,
      run: () => spend([...installed, `/${prefix.slice(-32)}`], { env }),
      peer: {
        name: "tar -xzf",
        program: "pigz",
        run: () => spend(["sh", "-c", `mkdir ${target} && tar -xzf ${packed} -C ${target}`]),
      },
      reset: forget,
      ...options,
    },
  ];
}

/** Neither noise nor zeros: half of each block can be compressed, as in a library with debug information. */
function writeLargeFile(path: string, mebibytes: number): void {
  const random = seeded(5);
  const block = Buffer.alloc(16 * mebibyte);
  for (let i = 0; i < block.length; i += 1) block[i] = random() * (i % 8192 < 4096 ? 256 : 4);
  const file = openSync(path, "w");
  for (let i = 0; i < mebibytes; i += 16) writeSync(file, block);
  closeSync(file);
}

/** Of 1 to 8 KiB each, a hundred in a folder. */
function writeSmallFiles(folder: string, count: number): void {
  const random = seeded(20);
  const text = Buffer.from(Array.from({ length: 8192 }, () => 97 + random() * 16));
  for (let i = 0; i < count; i += 1) {
    const inside = join(folder, String(Math.floor(i / 100)));
    if (i % 100 === 0) mkdirSync(inside, { recursive: true });
    writeFileSync(join(inside, String(i)), text.subarray(0, 1024 + random() * 7168));
  }
}
