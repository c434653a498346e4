import { mkdirSync } from "node:fs";
import { join } from "node:path";
import { type PushOptions, type PushResult, push } from "../../src/app/push.js";
import { scratchDirectory, spackRoot, unpackStore } from "./fixtures.js";

export interface PushingMachine extends Disposable {
  readonly path: string;
  readonly home: string;
  /** Where a path of the store is. */
  locate(path: string): string;
  /** Pushes from the store of this machine, reading no configuration but what is below `home`. */
  push(mirror: string, options?: PushOptions): Promise<PushResult>;
}

/** A machine of its own, with the store that Spack 1.3 wrote and a home directory. */
export function pushingMachine(): PushingMachine {
  const scratch = scratchDirectory();
  const home = join(scratch.path, "home");
  const sysroot = join(scratch.path, "machine");
  for (const directory of [home, sysroot]) mkdirSync(directory);
  unpackStore(sysroot);
  return {
    path: scratch.path,
    home,
    locate: (path) => join(sysroot, path),
    push: async (mirror, { env, ...options } = {}) =>
      await push(mirror, {
        home,
        store: spackRoot,
        sysroot,
        jobs: 2,
        env: {
          HOME: home,
          SPACK_USER_CONFIG_PATH: join(home, "spack"),
          SPACK_SYSTEM_CONFIG_PATH: join(home, "system"),
          ...env,
        },
        ...options,
      }),
    [Symbol.dispose]: () => scratch[Symbol.dispose](),
  };
}
