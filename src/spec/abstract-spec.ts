import { anyVersions, formatVersions, type VersionList } from "../version/version-list.js";
import type { Architecture } from "./architecture.js";
import type { DependencyType } from "./concrete-spec.js";
import type { Flag } from "./flags.js";
import { formatVariants, quoteIfNeeded, type Variant } from "./variant.js";

/** A dependency that a spec asks for. */
export interface AbstractEdge {
  readonly spec: AbstractSpec;
  readonly types: readonly DependencyType[];
  /** Sorted. */
  readonly virtuals: readonly string[];
  /** `%`: of the package itself, not anywhere below it. */
  readonly direct: boolean;
  /** `%%`. */
  readonly propagate: boolean;
  /** Asked for only where the package is such a one. */
  readonly when: AbstractSpec | undefined;
}

/** What someone asks for: a set of specs. Says nothing of what it leaves out. */
export interface AbstractSpec {
  readonly name: string | undefined;
  readonly namespace: string | undefined;
  readonly versions: VersionList;
  readonly variants: ReadonlyMap<string, Variant>;
  readonly flags: ReadonlyMap<string, readonly Flag[]>;
  readonly architecture: Architecture | undefined;
  /** First digits of a DAG hash. */
  readonly hash: string | undefined;
  /** Those of one name stand together, where the first of them stood. */
  readonly dependencies: readonly AbstractEdge[];
}

/** What every spec is: no name, any version. */
export const emptySpec: AbstractSpec = {
  name: undefined,
  namespace: undefined,
  versions: anyVersions,
  variants: new Map(),
  flags: new Map(),
  architecture: undefined,
  hash: undefined,
  dependencies: [],
};

/** Names of compilers before they were packages; `%` takes and prints them. */
const legacyCompilers = {
  clang: "llvm",
  oneapi: "intel-oneapi-compilers",
  rocmcc: "llvm-amdgpu",
  intel: "intel-oneapi-compilers-classic",
  arm: "acfl",
};
export const packageOfCompiler: ReadonlyMap<string, string> = new Map(Object.entries(legacyCompilers));
export const compilerOfPackage: ReadonlyMap<string, string> = new Map(
  Object.entries(legacyCompilers).map(([compiler, name]) => [name, compiler]),
);

/** The canonical text, as Spack 1.3 prints it; reading it gives the same spec, save the namespace of one with a name. */
export const formatSpec = (spec: AbstractSpec): string =>
  `${formatNode(spec)} ${formatDependencies(spec)}`.trim();

function formatNode(spec: AbstractSpec): string {
  const { name, namespace, architecture, hash } = spec;
  const versions = formatVersions(spec.versions);
  const parts = [
    name,
    versions === ":" || versions === "" ? "" : `@${versions}`,
    formatFlags(spec.flags),
    formatVariants(spec.variants.values()),
    name === undefined && namespace ? ` namespace=${namespace}` : "",
    architecture?.platform && ` platform=${architecture.platform}`,
    architecture?.os && ` os=${architecture.os}`,
    architecture?.target && ` target=${architecture.target}`,
    hash && `/${hash}`,
  ];
  return parts.join("").trim();
}

export function formatFlags(flags: AbstractSpec["flags"]): string {
  const sorted = [...flags].filter(([, list]) => list.length > 0).sort(([a], [b]) => (a < b ? -1 : 1));
  const parts = sorted.flatMap(([key, list]) =>
    ([false, true] as const).map((propagate) => {
      const texts = list.filter((flag) => flag.propagate === propagate).map((flag) => flag.text);
      return texts.length === 0 ? "" : ` ${key}${propagate ? "==" : "="}${quoteIfNeeded(texts.join(" "))}`;
    }),
  );
  return sorted.length === 0 ? "" : `${parts.join("")} `;
}

const byName = (edges: readonly AbstractEdge[]): readonly AbstractEdge[] =>
  edges.toSorted((a, b) => {
    const [x, y] = [a.spec.name ?? "", b.spec.name ?? ""];
    return x < y ? -1 : x > y ? 1 : 0;
  });

function formatDependencies({ dependencies }: AbstractSpec): string {
  const direct = byName(dependencies.filter((edge) => edge.direct)).map((edge) => formatEdge(edge));
  const others = byName(dependencies.filter((edge) => !edge.direct)).flatMap((edge) =>
    edge.spec.dependencies.length === 0
      ? [formatEdge(edge)]
      : [formatEdge(edge), formatDependencies(edge.spec)],
  );
  return [...direct, ...others].join(" ").trim();
}

function formatEdge({ spec, types, virtuals, direct, propagate, when }: AbstractEdge): string {
  const compiler = direct ? compilerOfPackage.get(spec.name ?? "") : undefined;
  const node = formatNode(compiler === undefined ? spec : { ...spec, name: compiler });
  const attributes = [
    when === undefined ? "" : `when='${formatSpec(when)}'`,
    types.length === 0 ? "" : `deptypes=${types.join(",")}`,
  ].filter((text) => text !== "");
  return [
    direct ? (propagate ? "%%" : "%") : "^",
    attributes.length === 0 ? "" : `[${attributes.join(" ")}] `,
    needsStar(spec, { virtuals, node }) ? "*" : "",
    virtuals.length === 0 ? "" : `${virtuals.join(",")}=`,
    node,
  ].join("");
}

/** Whether a spec without a name would be read as something else: `^foo=bar` names a virtual. */
function needsStar(
  spec: AbstractSpec,
  { virtuals, node }: { virtuals: readonly string[]; node: string },
): boolean {
  if (spec.name !== undefined) return false;
  if (virtuals.length > 0) return true;
  if (node.startsWith("@")) return false;
  if (spec.flags.size > 0) return true;
  return ![...spec.variants.values()].some(({ type }) => type === "bool") || spec.architecture !== undefined;
}
