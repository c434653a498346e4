// Packs and unpacks a real Python stack (14 packages, 6,700 files, 284 MB as tar) beside GNU tar and pigz.
import { spawnSync } from "node:child_process";
import { existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { join } from "node:path";
import { gzipSync } from "node:zlib";
import { gunzip } from "../src/archive/gunzip.js";
import { packPrefix } from "../src/archive/pack.js";
import { createUnpacker } from "../src/archive/unpack.js";
import { createTreeWriter } from "../src/archive/write-tree.js";
import { systemFiles } from "../src/io/system/files.js";
import { createWorkers } from "../src/io/workers/pool.js";
import type { Prepare } from "./harness.js";

const data = "../shared/fixtures/python-stack.store.tar.xz";
const storeRoot = "/opt/stacks/ci0";

export const prepare: Prepare = async () => {
  if (!existsSync(data)) {
    console.error(`archive: skipped, ${data} is missing`);
    return [];
  }
  // In memory: what is timed is this code, not a disk.
  const scratch = mkdtempSync("/dev/shm/stowage-bench-");
  process.on("exit", () => rmSync(scratch, { recursive: true, force: true }));
  sh(`tar -xJf ${data} -C ${scratch}`);
  const platform = `${storeRoot}/linux-x86_64`;
  const prefixes = readdirSync(join(scratch, platform)).map((name) => `${platform}/${name}`);
  const distribution = {
    sbangInstallPath: `${storeRoot}/bin/sbang`,
    buildPath: storeRoot,
    spackPrefix: storeRoot,
    hashToPrefix: new Map(prefixes.map((prefix) => [prefix.slice(-32), prefix])),
  };
  const requests = prefixes.map((prefix) => ({
    prefix,
    directory: join(scratch, prefix),
    distribution: { ...distribution, relativePrefix: prefix.slice(storeRoot.length + 1) },
  }));

  const workers = createWorkers({ threads: 2 });
  const layers = requests.map(({ prefix }) => join(scratch, `${prefix.slice(-32)}.tar.gz`));
  const removeLayers = () => {
    for (const layer of layers) rmSync(layer, { force: true });
  };
  const packAll = () =>
    Promise.all(requests.map((request, i) => workers.run("pack", { ...request, out: layers[i] ?? "" })));
  const packWithPigz = () =>
    sh(`tar -c -C ${scratch} ${platform.slice(1)} | pigz -6 -p 2 > ${scratch}/pigz.tar.gz`);

  const tarSizes = requests.map((request) => sizeOf(packPrefix(request, systemFiles)));
  const zlib6 = requests.map(
    (request) =>
      gzipSync(Buffer.concat(Array.from(packPrefix(request, systemFiles), (p) => Buffer.from(p)))).byteLength,
  );
  const packed = await packAll();
  const growth = sum(packed.map(({ size }) => size)) / sum(zlib6) - 1;
  console.error(`archive: layers are ${(100 * growth).toFixed(2)} % larger than zlib 6 makes them`);
  removeLayers();

  const kept = requests.map((_, i) => join(scratch, `kept-${i}.tar.gz`));
  for (const [i, request] of requests.entries())
    await workers.run("pack", { ...request, out: kept[i] ?? "" });
  const target = join(scratch, "unpacked");
  mkdirSync(target);
  const unpackAll = async () => {
    for (const [i, path] of kept.entries()) {
      using writer = createTreeWriter(systemFiles, join(target, String(i)));
      const unpacker = createUnpacker(writer, { subject: path });
      await gunzip([readFileSync(path)], unpacker.push, { subject: path });
      unpacker.end();
    }
  };
  const unpackWithTar = () => {
    for (const path of kept) sh(`tar -xzf ${path} -C ${target}`);
  };
  const removeTarget = () => {
    rmSync(target, { recursive: true });
    mkdirSync(target);
  };

  const bytes = { count: sum(tarSizes), unit: "bytes", rounds: 5 };
  return [
    {
      name: "read 14 prefixes as tar, one thread",
      run: () => requests.forEach((request) => void sizeOf(packPrefix(request, systemFiles))),
      peer: { name: "tar -c", run: () => sh(`tar -c -C ${scratch} ${platform.slice(1)} | cat > /dev/null`) },
      ...bytes,
    },
    {
      name: "pack and compress 14 prefixes, default level",
      run: packAll,
      peer: { name: "tar -c | pigz -6 -p 2", run: packWithPigz },
      reset: removeLayers,
      goal: { timesPeer: 1 / 0.6 },
      ...bytes,
    },
    {
      name: "inflate, check and write 14 prefixes, one at a time",
      run: unpackAll,
      peer: { name: "tar -xzf", run: unpackWithTar },
      reset: removeTarget,
      goal: { timesPeer: 1 },
      ...bytes,
    },
  ];
};

function sh(command: string): void {
  const { status, stderr } = spawnSync("sh", ["-c", command], { encoding: "utf8" });
  if (status !== 0) throw new Error(`${command}: ${stderr}`);
}

function sizeOf(pieces: Iterable<Uint8Array>): number {
  let size = 0;
  for (const piece of pieces) size += piece.byteLength;
  return size;
}

const sum = (numbers: readonly number[]): number => numbers.reduce((all, one) => all + one, 0);
