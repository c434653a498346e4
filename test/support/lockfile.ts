import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { readEntry } from "../../src/buildcache/entry.js";
import { packageTags } from "../../src/buildcache/oci-cache.js";
import type { Repository } from "../../src/oci/repository.js";

/** Writes the spack.lock, as Spack 1.x does, of one package that a repository has. @returns its path */
export async function writeLockfile(
  folder: string,
  { repository, name }: { readonly repository: Repository; readonly name: string },
): Promise<string> {
  const tag = [...(await packageTags(repository)).values()].find((one) => one.startsWith(`${name}-`));
  const entry = tag === undefined ? undefined : await readEntry(repository, tag);
  if (entry === undefined) throw new Error(`${repository.label} has no ${name}`);
  const nodes = [...entry.graph.nodes].map(([hash, { node }]) => [hash, { ...node, hash }]);
  mkdirSync(folder, { recursive: true });
  const file = join(folder, "spack.lock");
  const lock = {
    _meta: { "file-type": "spack-lockfile", "lockfile-version": 6, "specfile-version": 5 },
    roots: [{ hash: entry.spec.hash, spec: name }],
    concrete_specs: Object.fromEntries(nodes),
  };
  writeFileSync(file, JSON.stringify(lock));
  return file;
}
