import { existsSync, readdirSync } from "node:fs";
import { join } from "node:path";
import { sh } from "../support/command.js";

/** A store that Spack made, below a folder instead of at its place. */
export interface Stack {
  /** What the store's paths are below (`--sysroot`). */
  readonly sysroot: string;
  readonly storeRoot: string;
  /** Specs of all that was asked for, by hash. */
  readonly specs: readonly string[];
  /** Absolute paths of all packages, as they are in the store. */
  readonly prefixes: readonly string[];
}

/** Python 3.11 with its dependencies and HDF5: 14 packages, 6,700 files, 284 MB. Too large for the repository. */
const pythonStack = {
  archive: "../shared/fixtures/python-stack.store.tar.xz",
  storeRoot: "/opt/stacks/ci0",
  specs: ["/uagpdy7swdtkfn35aelh2uyn7gw6paob", "/mll6bwdilbdswu2t2axpwkgvy5nv4kli"],
};

/** Six small packages. */
const smallStack = {
  archive: "test/fixtures/store-1.3.tar.gz",
  storeRoot: "/opt/spack-fixture/opt/spack",
  specs: ["/fnjwovn"],
};

/** Unpacks the real stack; a short run, or one where it is missing, has a small one. */
export function unpackStack(sysroot: string, { short }: { readonly short: boolean }): Stack {
  if (!short && !existsSync(pythonStack.archive))
    console.error(`${pythonStack.archive} is missing: six small packages are used instead`);
  const { archive, storeRoot, specs } = short || !existsSync(pythonStack.archive) ? smallStack : pythonStack;
  sh(`mkdir -p ${sysroot} && tar -xf ${archive} -C ${sysroot} --no-same-owner`);
  const platform = `${storeRoot}/linux-x86_64`;
  const prefixes = readdirSync(join(sysroot, platform)).map((name) => `${platform}/${name}`);
  return { sysroot, storeRoot, specs, prefixes };
}
