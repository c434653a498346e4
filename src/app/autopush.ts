import { Failure, type FailureDocument } from "../base/failure.js";
import type { FailedPackage, PresentPackage, PushedPackage } from "../push/run.js";
import { openContext, type StowageOptions } from "./context.js";
import { type PushOptions, push } from "./push.js";

export interface AutopushOptions
  extends StowageOptions,
    Pick<PushOptions, "specs" | "updateIndex" | "withBuildDependencies" | "private" | "sysroot"> {}

export interface AutopushResult {
  readonly mirror: string;
  readonly pushed: readonly PushedPackage[];
  readonly present: readonly PresentPackage[];
  readonly failed: readonly FailedPackage[];
  /** Why nothing could be pushed there. */
  readonly failure: FailureDocument | undefined;
}

/**
 * Pushes installed packages to each mirror whose `autopush` is set, as Spack does with what it has built. Without
 * specs: the environment's roots, else all that was asked for when it was installed.
 *
 * A mirror that fails does not keep the others from being pushed to.
 * @throws Failure `config.*`, `store.*`, `spec.*` for what stops all of it
 */
export async function autopush(options: AutopushOptions = {}): Promise<readonly AutopushResult[]> {
  const mirrors = await (await openContext(options)).mirrors();
  const results: AutopushResult[] = [];
  for (const { name } of mirrors.filter((one) => one.autopush && one.binary && one.push !== undefined)) {
    try {
      const { pushed, present, failed } = await push(name, options);
      results.push({ mirror: name, pushed, present, failed, failure: undefined });
    } catch (error) {
      if (!(error instanceof Failure) || !isOfMirror(error)) throw error;
      results.push({ mirror: name, pushed: [], present: [], failed: [], failure: error.toJSON() });
    }
  }
  return results;
}

/** Not of the request, which would fail for the next mirror, too. */
const isOfMirror = ({ kind, code }: Failure): boolean =>
  kind !== "interrupted" && !/^(store|spec|config)\./.test(code);
