import { intersection, intersects } from "../version/version-list.js";
import type { AbstractSpec } from "./abstract-spec.js";
import { architecturesIntersect, mergedArchitecture } from "./architecture.js";
import type { Flag } from "./flags.js";
import { mergedVariant, type Variant, variantsIntersect } from "./variant.js";

/**
 * What two specs ask of one package, dependencies left out: those of `a` are kept.
 * @returns why no package can be both, where it is so
 */
export function mergedNode(a: AbstractSpec, b: AbstractSpec): AbstractSpec | { conflict: string } {
  const hash = longerHash(a.hash, b.hash);
  if (hash === null) return { conflict: "its hash cannot start in two ways" };
  if (a.name !== undefined && b.name !== undefined && a.name !== b.name)
    return { conflict: "it cannot have two names" };
  if (a.namespace !== undefined && b.namespace !== undefined && a.namespace !== b.namespace)
    return { conflict: "it cannot be in two namespaces" };
  if (!intersects(a.versions, b.versions)) return { conflict: "no version is in both ranges" };
  const variants = mergedVariants(a.variants, b.variants);
  if (typeof variants === "string") return { conflict: `no value of ${variants} is both` };
  const [one, other] = [a.architecture, b.architecture];
  if (one !== undefined && other !== undefined) {
    if (!architecturesIntersect(one, other) || !architecturesIntersect(other, one))
      return { conflict: "it cannot have both architectures" };
  }
  return {
    name: a.name ?? b.name,
    namespace: a.namespace ?? b.namespace,
    versions: intersection(a.versions, b.versions),
    variants,
    flags: mergedFlags(a.flags, b.flags),
    architecture: one !== undefined && other !== undefined ? mergedArchitecture(one, other) : (one ?? other),
    hash,
    dependencies: a.dependencies,
  };
}

/** Null where neither is the start of the other. */
function longerHash(a: string | undefined, b: string | undefined): string | undefined | null {
  if (a === undefined || b === undefined) return a ?? b;
  return b.startsWith(a) ? b : a.startsWith(b) ? a : null;
}

/** The name of the variant that cannot be both, or both at once. */
function mergedVariants(
  a: AbstractSpec["variants"],
  b: AbstractSpec["variants"],
): Map<string, Variant> | string {
  const merged = new Map(a);
  for (const [name, variant] of b) {
    const present = a.get(name);
    if (present !== undefined && !variantsIntersect(present, variant)) return name;
    merged.set(name, present === undefined ? variant : mergedVariant(present, variant));
  }
  return merged;
}

function mergedFlags(a: AbstractSpec["flags"], b: AbstractSpec["flags"]): Map<string, readonly Flag[]> {
  const merged = new Map(a);
  for (const [key, flags] of b) {
    const present = a.get(key) ?? [];
    const named = new Map(flags.map((flag) => [flag.text, flag]));
    const kept = present.map((flag) => ({
      ...flag,
      propagate: flag.propagate && named.get(flag.text)?.propagate !== false,
    }));
    merged.set(key, [...kept, ...flags.filter(({ text }) => !present.some((flag) => flag.text === text))]);
  }
  return merged;
}
