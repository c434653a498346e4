import { pythonJson } from "./python-json.js";

/** A variant of a spec: a switch, or a key with one or more values. */
export interface Variant {
  readonly name: string;
  readonly type: "bool" | "single" | "multi";
  /** Sorted, each once; none stands for `*`. */
  readonly values: readonly (string | boolean)[];
  /** Exactly these values, not at least these. */
  readonly concrete: boolean;
  /** Whether it holds for dependencies that have it, too. */
  readonly propagate: boolean;
}

type Traits = Pick<Variant, "concrete" | "propagate">;

/** A variant as it was typed; undefined for a list with `*` in it. */
export function typedVariant(
  name: string,
  value: string | boolean,
  { concrete, propagate }: Traits,
): Variant | undefined {
  if (typeof value === "boolean") return { name, type: "bool", values: [value], concrete: true, propagate };
  const bool = boolOf(value);
  if (bool !== undefined) return { name, type: "bool", values: [bool], concrete: true, propagate };
  if (value === "*") return { name, type: "multi", values: [], concrete: false, propagate };
  const values = sortedSet(value.split(","));
  return values.includes("*") ? undefined : { name, type: "multi", values, concrete, propagate };
}

/** A variant as a node of a concrete spec holds it. */
export function recordedVariant(name: string, value: unknown): Variant {
  const traits = { name, concrete: true, propagate: false };
  if (Array.isArray(value)) return { ...traits, type: "multi", values: sortedSet(value.map(String)) };
  const bool = boolOf(String(value));
  return bool === undefined
    ? { ...traits, type: "single", values: [String(value)] }
    : { ...traits, type: "bool", values: [bool] };
}

function boolOf(text: string): boolean | undefined {
  const upper = text.length > 5 ? "" : text.toUpperCase();
  return upper === "TRUE" ? true : upper === "FALSE" ? false : undefined;
}

const sortedSet = <T extends string | boolean>(values: readonly T[]): readonly T[] =>
  values.length < 2 ? values : [...new Set(values)].sort((a, b) => (a < b ? -1 : a > b ? 1 : 0));

const has = (variant: Variant, value: string | boolean): boolean => variant.values.includes(value);

const sameValues = (a: Variant, b: Variant): boolean =>
  a.values.length === b.values.length && a.values.every((value, index) => value === b.values[index]);

/** Whether all that `a` may become, `b` may, too. */
export function variantSatisfies(a: Variant, b: Variant): boolean {
  if (b.concrete) return a.concrete && sameValues(a, b);
  // Of a patch, the first digits of its hash are enough.
  if (b.name === "patches")
    return b.values.every((prefix) => a.values.some((value) => String(value).startsWith(String(prefix))));
  return b.values.every((value) => has(a, value));
}

export function variantsIntersect(a: Variant, b: Variant): boolean {
  if (a.concrete && b.concrete) return sameValues(a, b);
  if (a.concrete) return b.values.every((value) => has(a, value));
  return !b.concrete || a.values.every((value) => has(b, value));
}

const types = ["bool", "single", "multi"] as const;

/** Both at once; they must intersect. */
export function mergedVariant(a: Variant, b: Variant): Variant {
  return {
    name: a.name,
    type: types.indexOf(a.type) < types.indexOf(b.type) ? a.type : b.type,
    values: sortedSet([...a.values, ...b.values]),
    concrete: a.concrete || b.concrete,
    propagate: a.propagate && b.propagate,
  };
}

export function formatVariant(variant: Variant): string {
  const { name, type, values, concrete, propagate } = variant;
  if (type === "bool") return (values[0] === true ? "+" : "~").repeat(propagate ? 2 : 1) + name;
  const shown = name === "patches" && concrete ? values.map((value) => String(value).slice(0, 7)) : values;
  const text = values.length === 0 ? "*" : shown.join(",");
  return `${name}${type === "multi" && concrete ? ":" : ""}${propagate ? "==" : "="}${quoteIfNeeded(text)}`;
}

/** Switches first, then keys with a space before each, by name. */
export function formatVariants(variants: Iterable<Variant>): string {
  const sorted = [...variants].sort((a, b) => (a.name < b.name ? -1 : a.name > b.name ? 1 : 0));
  const keys = sorted.filter(({ type }) => type !== "bool").map((variant) => ` ${formatVariant(variant)}`);
  return [...sorted.filter(({ type }) => type === "bool").map(formatVariant), ...keys].join("");
}

/** Quotes a value that could not be read back without them. */
export function quoteIfNeeded(value: string): string {
  if (/^[a-zA-Z0-9,/_.\-[\]]+\n?$/.test(value)) return value;
  return value.includes("'") ? pythonJson(value) : `'${value}'`;
}
