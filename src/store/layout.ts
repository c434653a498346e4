import { Failure } from "../base/failure.js";
import type { AbstractSpec } from "../spec/abstract-spec.js";
import type { ConcreteSpec, SpecGraph } from "../spec/concrete-spec.js";
import { formatWith } from "../spec/format-template.js";
import { createMatcher } from "../spec/matches.js";
import type { Database } from "./database.js";

/** Where a store puts its packages. */
export interface Layout {
  /** Absolute, as in every path of the store. */
  readonly root: string;
  /** The root without its padding: where `bin/sbang` is. */
  readonly unpaddedRoot: string;
  /** Path of a new package below the root, with `{…}` fields (`config:install_tree:projections:all`). */
  readonly projection: string;
  /** Other paths for packages that match: the first that does counts. */
  readonly exceptions: readonly Projection[];
}

/** A path for the packages that match a spec: one of `config:install_tree:projections`. */
export interface Projection {
  readonly when: AbstractSpec;
  readonly path: string;
}

/** Spack 1.x. */
export const defaultProjection = "{architecture.platform}-{architecture.target}/{name}-{version}-{hash}";
/** Spack 0.x. */
export const oldProjection = "{architecture}/{compiler.name}-{compiler.version}/{name}-{version}-{hash}";

/** `add_padding` of Spack repeats this component, and cuts the last one to fit. */
const padding = "__spack_path_placeholder__";

export interface LayoutOptions {
  readonly projection?: string | undefined;
  readonly exceptions?: readonly Projection[] | undefined;
  /** Where the configuration says it; else it is read off the root. */
  readonly unpaddedRoot?: string | undefined;
}

export function layoutOf(root: string, options: LayoutOptions = {}): Layout {
  const { projection = defaultProjection, exceptions = [], unpaddedRoot = unpaddedRootOf(root) } = options;
  return { root, unpaddedRoot, projection, exceptions };
}

/** The projection that a store's packages follow already; what to give `layoutOf` where no configuration says it. */
export function projectionOf(database: Database, root: string): string {
  if (database.version === "8") return defaultProjection;
  const nodes = new Map([...database.records].map(([hash, { spec }]) => [hash, spec]));
  const graph: SpecGraph = { roots: [], nodes, format: 4 };
  for (const { spec, path } of database.records.values())
    if (spec.external === undefined && path?.startsWith(`${root}/`))
      return path === prefixOf(layoutOf(root), spec, graph) ? defaultProjection : oldProjection;
  return database.version === "7" ? oldProjection : defaultProjection;
}

export function unpaddedRootOf(root: string): string {
  const start = root.indexOf(`/${padding}`);
  if (start < 0) return root;
  // Only padding may follow: a path that goes on after it is not a padded root.
  const rest = root.slice(start + 1).split("/");
  return rest.every((part) => `${padding}_`.startsWith(part)) ? root.slice(0, start) : root;
}

/**
 * The prefix of a new package. What is installed already is where the database says.
 * @param graph holds the spec with what it depends on
 * @throws Failure `store.projection-unsupported`, `store.prefix-invalid`
 */
export function prefixOf(layout: Layout, spec: ConcreteSpec, graph: SpecGraph): string {
  const projection = projectionFor(layout, spec, graph).toLowerCase();
  // A field's value never adds a directory: Spack's `polite_filename` for each part.
  const path = projection
    .split("/")
    .filter((part) => part !== "")
    .map((part) => formatted(part, spec, graph).replace(/[^\w.+-]/g, "_"))
    .join("/");
  const wrong = path.split("/").find((part) => !isDirectoryName(part));
  if (wrong === undefined) return `${layout.root}/${path}`;
  throw new Failure(
    "unsupported",
    `${spec.name}@${spec.version.slice(0, 100)} cannot be in ${layout.root}: "${wrong.slice(0, 100)}" is no name for a directory`,
    {
      code: "store.prefix-invalid",
      subject: spec.hash,
      hint: `The install tree's projection is ${projection}.`,
    },
  );
}

/** Bytes of a name that every file system takes (NAME_MAX). */
const longestName = 255;

/** What a package is called may be anything: it must not lead out of the store. The fields are ASCII by now. */
const isDirectoryName = (part: string): boolean =>
  part !== "" && part !== "." && part !== ".." && part.length <= longestName;

function projectionFor({ projection, exceptions }: Layout, spec: ConcreteSpec, graph: SpecGraph): string {
  if (exceptions.length === 0) return projection;
  const matches = createMatcher(graph);
  return exceptions.find(({ when }) => matches(spec, when))?.path ?? projection;
}

function formatted(part: string, spec: ConcreteSpec, graph: SpecGraph): string {
  try {
    return formatWith(part, spec, graph);
  } catch (cause) {
    if (!(cause instanceof Failure)) throw cause;
    throw new Failure("unsupported", `the install tree's projection does not fit: ${cause.message}`, {
      code: "store.projection-unsupported",
      subject: spec.name,
      hint: cause.hint,
      cause,
    });
  }
}
