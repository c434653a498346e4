import { type Call, checkInterrupted } from "../base/call.js";
import { Failure, type FailureDocument } from "../base/failure.js";
import type { Task } from "../base/progress.js";
import type { Digest } from "../oci/digest.js";
import type { Tag } from "../oci/reference.js";
import type { ConcreteSpec } from "../spec/concrete-spec.js";
import type { DagHash } from "../spec/dag-hash.js";
import type { Exclusion, PlannedPackage, PushPlan } from "./plan.js";

/** A package in results: enough to name it anywhere. */
export interface PackageName {
  readonly name: string;
  readonly version: string;
  readonly hash: DagHash;
}

export interface ExcludedPackage extends PackageName {
  readonly reason: Exclusion;
}

export interface PresentPackage extends PackageName {
  readonly tag: Tag;
}

export interface PushedPackage extends PresentPackage {
  readonly manifest: Digest;
  readonly layer: Digest;
  /** Bytes of the compressed tarball. */
  readonly size: number;
}

export interface FailedPackage extends PackageName {
  readonly failure: FailureDocument;
}

export interface PushResult {
  readonly pushed: readonly PushedPackage[];
  readonly present: readonly PresentPackage[];
  readonly failed: readonly FailedPackage[];
  /** Not installed here, so not pushed. */
  readonly missing: readonly PackageName[];
  /** Not for this mirror. */
  readonly excluded: readonly ExcludedPackage[];
}

export interface RunOptions extends Call {
  /** Stop at the first package that fails. */
  readonly failFast?: boolean | undefined;
}

/** Pushes one package of a plan. */
export type PackagePush = (planned: PlannedPackage, task: Task) => Promise<PushedPackage>;

export const nameOf = ({ name, version, hash }: ConcreteSpec): PackageName => ({ name, version, hash });
export const short = (spec: ConcreteSpec): string => `${spec.name}@${spec.version}/${spec.hash.slice(0, 7)}`;

/**
 * Pushes what a plan says, as much of it as can be pushed.
 * @param start told how to stop, and whom to report to
 */
export async function runPush(
  plan: PushPlan,
  start: (call: Call) => PackagePush,
  options: RunOptions,
): Promise<PushResult> {
  const { report, failFast = false } = options;
  const controller = new AbortController();
  const signal =
    options.signal === undefined ? controller.signal : AbortSignal.any([options.signal, controller.signal]);
  const pushPackage = start({ signal, report });
  const pushed: PushedPackage[] = [];
  const failed: FailedPackage[] = [];
  const toPush = plan.packages.filter(({ action }) => action === "push");
  report?.({ type: "planned", tasks: toPush.length });
  await Promise.all(
    toPush.map(async (planned) => {
      const task: Task = { id: planned.spec.hash, verb: "upload", subject: short(planned.spec) };
      try {
        pushed.push(await pushPackage(planned, task));
      } catch (error) {
        if (!(error instanceof Failure)) throw error;
        if (error.kind === "interrupted" && !controller.signal.aborted) throw error;
        // Stopped since another failed, or failed with it: that is told already.
        if (error.kind === "interrupted" || controller.signal.aborted) return;
        const failure = error.toJSON();
        failed.push({ ...nameOf(planned.spec), failure });
        report?.({ type: "failed", task, failure });
        if (failFast) controller.abort(error);
      }
    }),
  );
  checkInterrupted(options);
  const order = new Map(plan.packages.map(({ spec }, i) => [spec.hash, i]));
  const inOrder = <T extends PackageName>(list: T[]): T[] =>
    list.sort((a, b) => (order.get(a.hash) ?? 0) - (order.get(b.hash) ?? 0));
  return {
    pushed: inOrder(pushed),
    present: plan.packages.flatMap(({ action, spec, tag }) =>
      action === "present" ? [{ ...nameOf(spec), tag }] : [],
    ),
    failed: inOrder(failed),
    missing: plan.missing.map(nameOf),
    excluded: plan.excluded.map(({ spec, reason }) => ({ ...nameOf(spec), reason })),
  };
}
