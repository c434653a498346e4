import type { ConcreteSpec } from "../spec/concrete-spec.js";
import { type DagHash, isDagHash } from "../spec/dag-hash.js";
import { fileNameOf } from "./file-name.js";

// Layout 2 of a mirror that is no registry (Spack before 1.0), which is only read.

export const folderV2 = "build_cache/";
export const indexPathV2 = "build_cache/index.json";
export const indexHashPathV2 = "build_cache/index.json.hash";

type Named = Pick<ConcreteSpec, "name" | "version" | "hash" | "platform" | "os" | "target" | "compiler">;

const architectureOf = ({ platform, os, target }: Named): string => `${platform}-${os}-${target}`;

const compilerOf = ({ compiler }: Named): string => `${compiler?.name ?? ""}-${compiler?.version ?? ""}`;

/** What the names of a package's files begin with. */
const stemOf = (spec: Named): string =>
  fileNameOf(`${architectureOf(spec)}-${compilerOf(spec)}-${spec.name}-${spec.version}-${spec.hash}`);

/** Where a package's metadata may be: signed first, which is taken where both are there. */
export const specPathsV2 = (spec: Named): readonly [signed: string, unsigned: string] => [
  `${folderV2}${stemOf(spec)}.spec.json.sig`,
  `${folderV2}${stemOf(spec)}.spec.json`,
];

export const tarballPathV2 = (spec: Named): string =>
  [
    folderV2.slice(0, -1),
    fileNameOf(architectureOf(spec)),
    fileNameOf(compilerOf(spec)),
    fileNameOf(`${spec.name}-${spec.version}`),
    `${stemOf(spec)}.spack`,
  ].join("/");

/** The hash that the name of a package's metadata ends in; undefined for other files. */
export function hashOfSpecV2(path: string): DagHash | undefined {
  const hash = /^build_cache\/[^/]+-([a-z2-7]{32})\.spec\.json(?:\.sig)?$/.exec(path)?.[1];
  return hash !== undefined && isDagHash(hash) ? hash : undefined;
}
