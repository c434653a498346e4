import { Failure } from "../base/failure.js";
import type { ConcreteSpec } from "../spec/concrete-spec.js";
import type { Database } from "./database.js";

/** Where a store puts its packages. */
export interface Layout {
  /** Absolute, as in every path of the store. */
  readonly root: string;
  /** The root without its padding: where `bin/sbang` is. */
  readonly unpaddedRoot: string;
  /** Path of a new package below the root, with `{…}` fields (`config:install_tree:projections:all`). */
  readonly projection: string;
}

/** Spack 1.x. */
export const defaultProjection = "{architecture.platform}-{architecture.target}/{name}-{version}-{hash}";
/** Spack 0.x. */
export const oldProjection = "{architecture}/{compiler.name}-{compiler.version}/{name}-{version}-{hash}";

/** `add_padding` of Spack repeats this component, and cuts the last one to fit. */
const padding = "__spack_path_placeholder__";

export interface LayoutOptions {
  readonly projection?: string | undefined;
  /** Where the configuration says it; else it is read off the root. */
  readonly unpaddedRoot?: string | undefined;
}

export function layoutOf(root: string, options: LayoutOptions = {}): Layout {
  const { projection = defaultProjection, unpaddedRoot = unpaddedRootOf(root) } = options;
  return { root, unpaddedRoot, projection };
}

/** The projection that a store's packages follow already; what to give `layoutOf` where no configuration says it. */
export function projectionOf(database: Database, root: string): string {
  if (database.version === "8") return defaultProjection;
  for (const { spec, path } of database.records.values())
    if (spec.external === undefined && path?.startsWith(`${root}/`))
      return path === prefixOf(layoutOf(root), spec) ? defaultProjection : oldProjection;
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
 * @throws Failure `store.projection-unsupported`, `store.prefix-invalid`
 */
export function prefixOf(layout: Layout, spec: ConcreteSpec): string {
  const path = layout.projection
    .toLowerCase()
    .replace(/\{([^{}]*)\}/g, (_, field: string) => fieldOf(spec, field).replace(/[^\w.+-]/g, "_"));
  const wrong = path.split("/").find((part) => !isDirectoryName(part));
  if (wrong === undefined) return `${layout.root}/${path}`;
  throw new Failure(
    "unsupported",
    `${spec.name}@${spec.version.slice(0, 100)} cannot be in ${layout.root}: "${wrong.slice(0, 100)}" is no name for a directory`,
    {
      code: "store.prefix-invalid",
      subject: spec.hash,
      hint: `The install tree's projection is ${layout.projection}.`,
    },
  );
}

/** Bytes of a name that every file system takes (NAME_MAX). */
const longestName = 255;

/** What a package is called may be anything: it must not lead out of the store. The fields are ASCII by now. */
const isDirectoryName = (part: string): boolean =>
  part !== "" && part !== "." && part !== ".." && part.length <= longestName;

function fieldOf(spec: ConcreteSpec, field: string): string {
  const [name = "", length] = field.split(":");
  const hash = /^\/?hash$/.test(name)
    ? spec.hash.slice(0, length === undefined ? 32 : Number(length))
    : undefined;
  const value = hash ?? fields[name.replace(/^\^?@?/, "")]?.(spec);
  if (value !== undefined && value !== "") return value;
  throw new Failure(
    "unsupported",
    `the install tree's projection has a field {${field}} that ${spec.name} does not answer`,
    {
      code: "store.projection-unsupported",
      hint: `Fields that can be used: ${Object.keys(fields).join(", ")}, hash, hash:N.`,
    },
  );
}

const fields: Readonly<Record<string, (spec: ConcreteSpec) => string | undefined>> = {
  name: (spec) => spec.name,
  version: (spec) => spec.version,
  namespace: (spec) => spec.namespace,
  architecture: (spec) => `${spec.platform}-${spec.os}-${spec.target}`,
  "architecture.platform": (spec) => spec.platform,
  "architecture.os": (spec) => spec.os,
  "architecture.target": (spec) => spec.target,
  platform: (spec) => spec.platform,
  os: (spec) => spec.os,
  target: (spec) => spec.target,
  compiler: (spec) => spec.compiler && `${spec.compiler.name}-${spec.compiler.version}`,
  "compiler.name": (spec) => spec.compiler?.name,
  "compiler.version": (spec) => spec.compiler?.version,
};
