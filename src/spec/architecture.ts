import { targetIntersection, targetsMeet } from "./target.js";

/** What a spec says of platform, operating system and target; undefined is any. */
export interface Architecture {
  readonly platform: string | undefined;
  readonly os: string | undefined;
  /** A name, a range, a list of them, or `*`. */
  readonly target: string | undefined;
}

const isExactTarget = (target: string): boolean => !target.includes(":") && !target.includes(",");

export const isConcreteArchitecture = ({ platform, os, target }: Architecture): boolean =>
  Boolean(platform && os && target && isExactTarget(target));

export function architectureSatisfies(a: Architecture, b: Architecture): boolean {
  for (const key of ["platform", "os"] as const) {
    // As in Spack, one that is any decides for the rest.
    if (a[key] && b[key] === "*") return true;
    if (b[key] && a[key] !== b[key]) return false;
  }
  return b.target === undefined || (a.target !== undefined && targetsMeet(a.target, b.target));
}

export function architecturesIntersect(a: Architecture, b: Architecture): boolean {
  for (const key of ["platform", "os"] as const) if (a[key] && b[key] && a[key] !== b[key]) return false;
  return a.target === undefined || b.target === undefined || targetsMeet(a.target, b.target);
}

/** Both at once; they must intersect. */
export function mergedArchitecture(a: Architecture, b: Architecture): Architecture {
  return { platform: a.platform ?? b.platform, os: a.os ?? b.os, target: mergedTarget(a.target, b.target) };
}

function mergedTarget(a: string | undefined, b: string | undefined): string | undefined {
  if (a === undefined || b === undefined) return a ?? b;
  if (isExactTarget(a)) return a;
  return isExactTarget(b) ? b : targetIntersection(a, b).join(",");
}
