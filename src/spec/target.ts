import { type MicroarchitectureEntry, microarchitectures } from "./microarchitectures.js";

/** A microarchitecture: of the table, or a name that the table does not have, which is like no other. */
export interface Target {
  readonly name: string;
  readonly vendor: string;
  readonly generation: number;
  readonly part: string | undefined;
  readonly features: ReadonlySet<string>;
  /** Itself and all whose binaries it runs. */
  readonly lineage: ReadonlySet<string>;
  /** The one at the root: `x86_64`, `aarch64`. */
  readonly family: string;
}

const known = new Map<string, Target>();

function build(name: string, entry: MicroarchitectureEntry): Target {
  const parents = (entry.from ?? []).map(targetOf);
  const features = new Set([
    ...parents.flatMap((parent) => [...parent.features]),
    ...(entry.adds?.split(" ") ?? []),
  ]);
  return {
    name,
    vendor: entry.vendor ?? "generic",
    generation: entry.generation ?? 0,
    part: entry.part,
    features,
    lineage: new Set([name, ...parents.flatMap((parent) => [...parent.lineage])]),
    family: parents[0]?.family ?? name,
  };
}

export function targetOf(name: string): Target {
  const target = known.get(name);
  if (target !== undefined) return target;
  const entry = Object.hasOwn(microarchitectures, name) ? microarchitectures[name] : undefined;
  // Names from outside are not kept: there is no end to them.
  if (entry === undefined) return build(name, {});
  const built = build(name, entry);
  known.set(name, built);
  return built;
}

export const isKnownTarget = (name: string): boolean => Object.hasOwn(microarchitectures, name);

export const knownTargets = (): readonly Target[] => Object.keys(microarchitectures).map(targetOf);

/** Whether `target` runs what is built for `other`: it is `other`, or descends from it. */
export const runsOn = (other: string, target: string): boolean => targetOf(target).lineage.has(other);

/** How many microarchitectures lie below: greater is more specific. */
export const depthOf = (name: string): number => targetOf(name).lineage.size;

/**
 * Whether what one target expression allows meets what another does. An expression is what stands after
 * `target=`: a name, a range (`x86_64_v2:`, `:zen3`, `haswell:skylake`), or several with commas; `*` is any.
 */
export const targetsMeet = (a: string, b: string): boolean =>
  b === "*" || targetIntersection(a, b).length > 0;

/** The names and ranges that are in both expressions. */
export function targetIntersection(a: string, b: string): readonly string[] {
  return a.split(",").flatMap((left) => b.split(",").flatMap((right) => meeting(left, right) ?? []));
}

interface Range {
  readonly low: string;
  readonly high: string;
}

function rangeOf(text: string): Range | undefined {
  const colon = text.indexOf(":");
  return colon < 0 ? undefined : { low: text.slice(0, colon), high: text.slice(colon + 1) };
}

const within = (name: string, { low, high }: Range): boolean =>
  (low === "" || runsOn(low, name)) && (high === "" || runsOn(name, high));

function meeting(a: string, b: string): string | undefined {
  const rangeA = rangeOf(a);
  const rangeB = rangeOf(b);
  if (rangeA === undefined) return (rangeB === undefined ? a === b : within(a, rangeB)) ? a : undefined;
  if (rangeB === undefined) return within(b, rangeA) ? b : undefined;
  // The higher of the lows, the lower of the highs; undefined where neither is above the other.
  const low = higher(rangeA.low, rangeB.low);
  const high =
    rangeA.high === "" ? rangeB.high : rangeB.high === "" ? rangeA.high : lower(rangeA.high, rangeB.high);
  if (low === undefined || high === undefined) return undefined;
  if (low !== "" && high !== "" && !runsOn(low, high)) return undefined;
  if (low === "" && high === "") return undefined;
  return low === high ? low : `${low}:${high}`;
}

function higher(a: string, b: string): string | undefined {
  if (a === "" || b === "") return a || b;
  return runsOn(b, a) ? a : runsOn(a, b) ? b : undefined;
}

function lower(a: string, b: string): string | undefined {
  return runsOn(a, b) ? a : runsOn(b, a) ? b : undefined;
}
