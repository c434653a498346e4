// Packs and unpacks a real Python stack (14 packages, 6,700 files, 284 MB as tar) beside GNU tar and pigz.
import { mkdirSync, readFileSync, rmSync } from "node:fs";
import { join } from "node:path";
import { gunzip } from "../src/archive/gunzip.js";
import { packPrefix } from "../src/archive/pack.js";
import { createUnpacker } from "../src/archive/unpack.js";
import { createTreeWriter } from "../src/archive/write-tree.js";
import { systemFiles } from "../src/io/system/files.js";
import { createWorkers } from "../src/io/workers/pool.js";
import { unpackStack } from "./data/stack.js";
import type { Prepare } from "./harness.js";
import { sh } from "./support/command.js";
import { scratchFolder } from "./support/scratch.js";

export const prepare: Prepare = async (options) => {
  const scratch = scratchFolder();
  const { storeRoot, prefixes } = unpackStack(scratch, options);
  const platform = `${storeRoot}/linux-x86_64`;
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
      name: `read ${prefixes.length} prefixes as tar, one thread`,
      run: () => requests.forEach((request) => void sizeOf(packPrefix(request, systemFiles))),
      peer: { name: "tar -c", run: () => sh(`tar -c -C ${scratch} ${platform.slice(1)} | cat > /dev/null`) },
      ...bytes,
    },
    {
      name: `pack and compress ${prefixes.length} prefixes, default level`,
      run: packAll,
      peer: { name: "tar -c | pigz -6 -p 2", program: "pigz", run: packWithPigz },
      reset: removeLayers,
      ...bytes,
    },
    {
      name: `inflate, check and write ${prefixes.length} prefixes, one at a time`,
      run: unpackAll,
      peer: { name: "tar -xzf", run: unpackWithTar },
      reset: removeTarget,
      demands: [{ times: 1 }],
      ...bytes,
    },
  ];
};

function sizeOf(pieces: Iterable<Uint8Array>): number {
  let size = 0;
  for (const piece of pieces) size += piece.byteLength;
  return size;
}

const sum = (numbers: readonly number[]): number => numbers.reduce((all, one) => all + one, 0);
