import type { ConcreteSpec } from "../spec/concrete-spec.js";
import { compareVersions } from "../version/compare.js";
import { parseStandardVersion } from "../version/standard-version.js";

/** The newest of the specs that match; of equal ones the first by hash. */
export function best(specs: readonly ConcreteSpec[], _query: string): ConcreteSpec | undefined {
  const newestFirst = (a: ConcreteSpec, b: ConcreteSpec): number =>
    compareVersions(parseStandardVersion(b.version), parseStandardVersion(a.version)) ||
    (a.hash < b.hash ? -1 : 1);
  return [...specs].sort(newestFirst)[0];
}
