import { Failure } from "../base/failure.js";
import type { Verified } from "../install/verify.js";
import { createWorkers } from "../io/workers/pool.js";
import type { ConcreteSpec } from "../spec/concrete-spec.js";
import type { StowageOptions } from "./context.js";
import { find } from "./find.js";
import { installWorkers } from "./install-workers.js";

export interface VerifiedPackage {
  readonly spec: ConcreteSpec;
  readonly prefix: string;
  readonly result: Verified;
}

/**
 * Compares the files of installed packages with what was installed, as `spack verify manifest` does; those that match
 * any of `specs`, or all where none are given. Externals are not ours to verify.
 * @throws Failure `store.missing`, `spec.no-match`
 */
export async function verify(
  specs: readonly string[] = [],
  options: StowageOptions = {},
): Promise<readonly VerifiedPackage[]> {
  const { packages } = await find(specs, options);
  await using workers = createWorkers({ threads: options.jobs ?? 2 });
  const { verify: verifyIn } = installWorkers(workers);
  return await Promise.all(
    packages
      .filter(({ spec }) => spec.external === undefined)
      .map(async ({ spec, prefix }) => {
        if (prefix === undefined)
          throw new Failure("corrupt", `the store's database has no prefix for ${spec.name}/${spec.hash}`, {
            code: "store.database-corrupt",
            subject: spec.hash,
          });
        return { spec, prefix, result: await verifyIn(prefix, options) };
      }),
  );
}
