import type { ConcreteSpec, DependencyType, SpecGraph } from "../spec/concrete-spec.js";
import type { DagHash } from "../spec/dag-hash.js";
import { closure, dependenciesOf, nodeOf } from "../spec/graph.js";
import type { Facts } from "./facts.js";

/** A bill of materials, in whatever format it is written. */
export interface Bill {
  readonly subject: BillSubject;
  /** What the subject is made of; the package itself is first where it is about one. */
  readonly packages: readonly ConcreteSpec[];
  /** Those of them that run; the others were only needed to make them. */
  readonly running: ReadonlySet<DagHash>;
  readonly edges: readonly BillEdge[];
  /** What is known of where packages come from, by hash. */
  readonly facts: (spec: ConcreteSpec) => Facts | undefined;
  /** ISO 8601, to the second; undefined: nobody says, so that the same packages give the same bytes. */
  readonly created: string | undefined;
}

export type BillSubject =
  | { readonly type: "package"; readonly spec: ConcreteSpec }
  | { readonly type: "image"; readonly image: BilledImage };

export interface BilledImage {
  /** `ghcr.io/me/cache` */
  readonly repository: string;
  readonly tag: string;
  readonly digest: string;
  /** What it is built on; its contents are not looked into. */
  readonly base?: { readonly name: string; readonly digest: string } | undefined;
  readonly roots: readonly DagHash[];
}

export interface BillEdge {
  readonly from: DagHash;
  readonly to: DagHash;
  /** What the dependency is needed for: to run, to build or, where that is all, to test. */
  readonly kind: "runtime" | "build" | "test";
}

type BillDetails = Pick<Bill, "facts" | "created">;

const runTypes: readonly DependencyType[] = ["link", "run"];
const hashesOf = (packages: readonly ConcreteSpec[]): ReadonlySet<DagHash> =>
  new Set(packages.map(({ hash }) => hash));

/** A package with all that it was built from, compilers included. */
export function packageBill(graph: SpecGraph, root: DagHash, details: BillDetails): Bill {
  const packages = closure(graph, { roots: [root] });
  return {
    subject: { type: "package", spec: nodeOf(graph, root) },
    packages,
    running: hashesOf(closure(graph, { roots: [root], types: runTypes })),
    edges: edgesOf(packages),
    ...details,
  };
}

/** An image with what is in it: what its packages need to run. */
export function imageBill(graph: SpecGraph, image: BilledImage, details: BillDetails): Bill {
  const packages = closure(graph, { roots: image.roots, types: runTypes });
  const edges = edgesOf(packages).filter(({ kind }) => kind === "runtime");
  return { subject: { type: "image", image }, packages, running: hashesOf(packages), edges, ...details };
}

/** One edge for each two packages, though Spack may have more, with other types. */
function edgesOf(packages: readonly ConcreteSpec[]): BillEdge[] {
  return packages.flatMap((spec) => {
    const types = new Map<DagHash, readonly DependencyType[]>();
    for (const edge of dependenciesOf(spec))
      types.set(edge.hash, [...(types.get(edge.hash) ?? []), ...edge.types]);
    return [...types].map(([to, of]) => ({ from: spec.hash, to, kind: kindOf(of) }));
  });
}

function kindOf(types: readonly DependencyType[]): BillEdge["kind"] {
  if (types.some((type) => runTypes.includes(type))) return "runtime";
  return types.includes("build") ? "build" : "test";
}
