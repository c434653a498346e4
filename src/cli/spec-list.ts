import type { Command } from "commander";
import type { ConcreteSpec, SpecGraph } from "../spec/concrete-spec.js";
import { formatCompilers, formatFlagsOf, formatVariantsOf, nearestTree } from "../spec/format-concrete.js";
import { sortSpecs } from "../spec/sort.js";
import { columns, padTo, widthOf } from "./format.js";
import type { Given } from "./given.js";
import type { Style } from "./terminal.js";

/** How a list of packages looks: Spack's options of `find` and `buildcache list`. */
export interface Look {
  /** Characters of the hash before each package. */
  readonly hash: number;
  readonly namespaces: boolean;
  readonly variants: boolean;
  readonly flags: boolean;
  /** The tree of dependencies below each package. */
  readonly dependencies: boolean;
  readonly groups: boolean;
}

export interface ListItem {
  readonly spec: ConcreteSpec;
  /** Shown behind the package: its prefix, its mirrors. */
  readonly note?: string | undefined;
}

export function addLookOptions(command: Command): void {
  command
    .option("-l, --long", "show the first 7 characters of hashes")
    .option("-L, --very-long", "show hashes whole")
    .option("-N, --namespaces", "show namespaces")
    .option("-v, --variants", "show variants");
}

export const lookOf = (given: Given): Look => ({
  hash: given.flag("veryLong") === true ? 32 : given.flag("long") === true ? 7 : 0,
  namespaces: given.flag("namespaces") === true,
  variants: given.flag("variants") === true,
  flags: given.flag("showFlags") === true,
  dependencies: given.flag("deps") === true,
  groups: given.flag("groups") !== false,
});

interface Page {
  readonly paint: (style: Style, text: string) => string;
  /** Width to lay out columns in; undefined: one package a line, for scripts. */
  readonly width: number | undefined;
}

/** Spack's rule is 64 characters wide, its own two dashes and blanks included. */
const ruleWidth = 65;

/** Packages in groups of architecture and compilers, as Spack shows them. */
export function specList(
  items: readonly ListItem[],
  graph: SpecGraph,
  { look, ...page }: Page & { readonly look: Look },
): readonly string[] {
  const sorted = sortSpecs(items, ({ spec }) => spec);
  if (!look.groups) return groupLines(sorted, graph, look, page);
  const groups = new Map<string, { architecture: string; compilers: string; items: ListItem[] }>();
  for (const item of sorted) {
    const { platform, os, target } = item.spec;
    const architecture = `${platform}-${os}-${target}`;
    const compilers = formatCompilers(item.spec, graph);
    const key = `${architecture}\n${compilers || "\uffff"}`;
    const group = groups.get(key) ?? { architecture, compilers: compilers || "no compilers", items: [] };
    groups.set(key, group);
    group.items.push(item);
  }
  return [...groups]
    .sort(([a], [b]) => (a < b ? -1 : 1))
    .flatMap(([, { architecture, compilers, items: group }], i) => {
      const dashes = Math.max(2, ruleWidth - `-- ${architecture} / ${compilers} `.length);
      const head = `-- ${page.paint("blue", architecture)} / ${page.paint("green", compilers)} ${"-".repeat(dashes)}`;
      return [...(i > 0 ? [""] : []), head, ...groupLines(group, graph, look, page)];
    });
}

function groupLines(
  items: readonly ListItem[],
  graph: SpecGraph,
  look: Look,
  { paint, width }: Page,
): readonly string[] {
  if (look.dependencies)
    return items.flatMap(({ spec }) => [
      ...nearestTree(graph, spec.hash).map((at) => line(at.spec, look, { paint, depth: at.depth })),
      "",
    ]);
  const texts = items.map(({ spec }) => line(spec, look, { paint, depth: 0 }));
  if (items.some(({ note }) => note !== undefined)) {
    const widest = Math.max(...texts.map(widthOf));
    return texts.map((text, i) => `${padTo(text, widest)}  ${items[i]?.note ?? ""}`.trimEnd());
  }
  return width === undefined ? texts : columns(texts, width);
}

function line(
  spec: ConcreteSpec,
  look: Look,
  { paint, depth }: Pick<Page, "paint"> & { depth: number },
): string {
  const hash = look.hash === 0 ? "" : `${paint("dim", spec.hash.slice(0, look.hash))} `;
  const namespace = look.namespaces && spec.namespace !== undefined ? `${spec.namespace}.` : "";
  const variants = look.variants ? formatVariantsOf(spec) : "";
  const flags = look.flags ? formatFlagsOf(spec) : "";
  return `${hash}${"    ".repeat(depth)}${namespace}${spec.name}${paint("cyan", `@${spec.version}`)}${variants}${flags}`;
}

/** A package in `--json` documents. */
export const specDocument = (spec: ConcreteSpec): object => ({
  name: spec.name,
  version: spec.version,
  hash: spec.hash,
  namespace: spec.namespace,
  platform: spec.platform,
  os: spec.os,
  target: spec.target,
  external: spec.external !== undefined,
  parameters: spec.parameters,
  dependencies: spec.dependencies.map(({ name, hash, types, virtuals }) => ({ name, hash, types, virtuals })),
});
