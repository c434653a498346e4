import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { openStore } from "../../src/io/store/disk-store.js";

/**
 * Recipes that say nothing for all that a store's database names, as Spack wants one of each package that it loads;
 * `scope/repos.yaml` in the same folder names them.
 */
export async function writeRecipes(root: string, folder: string): Promise<void> {
  const { records } = await (await openStore(root)).readDatabase();
  const namespaces = new Set<string>();
  const repository = (namespace: string) => join(folder, "repos/spack_repo", namespace);
  for (const { spec } of records.values()) {
    const namespace = spec.namespace ?? "builtin";
    namespaces.add(namespace);
    const recipe = join(repository(namespace), "packages", spec.name.replaceAll("-", "_"));
    mkdirSync(recipe, { recursive: true });
    const name = spec.name.replaceAll(/(?:^|-)(.)/g, (_, first: string) => first.toUpperCase());
    writeFileSync(
      join(recipe, "package.py"),
      `from spack.package import *\n\n\nclass ${name}(PackageBase):\n    build_system("generic")\n`,
    );
  }
  for (const namespace of namespaces)
    writeFileSync(
      join(repository(namespace), "repo.yaml"),
      `repo:\n  namespace: ${namespace}\n  api: v2.0\n`,
    );
  const repos = [...namespaces].map((one) => `  ${one}: ${repository(one)}\n`);
  mkdirSync(join(folder, "scope"), { recursive: true });
  writeFileSync(join(folder, "scope/repos.yaml"), `repos::\n${repos.join("")}`);
}
