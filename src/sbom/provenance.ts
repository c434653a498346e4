import { isObject, type JsonObject } from "../base/decode.js";
import type { Digest } from "../oci/digest.js";
import type { ConcreteSpec, SpecGraph } from "../spec/concrete-spec.js";
import type { DagHash } from "../spec/dag-hash.js";
import { formatFull, formatShort } from "../spec/format-concrete.js";
import { closure } from "../spec/graph.js";
import type { BuildJob, Resource } from "./build-job.js";
import type { KnownFacts } from "./facts.js";
import { packageUrl } from "./purl.js";

/** SLSA v1 (https://slsa.dev/spec/v1.0/provenance). */
export const provenanceType = "https://slsa.dev/provenance/v1";

/** What `externalParameters` mean: a spec that Spack has built. docs/sbom.md tells. */
const buildType = "https://stowage.dev/spack-build/v1";

/** A package as it was built. */
export interface Build {
  readonly spec: ConcreteSpec;
  readonly graph: SpecGraph;
  readonly facts: KnownFacts;
  /** Digest of a dependency's manifest, where the mirror has it. */
  readonly manifestOf: (hash: DagHash) => Digest | undefined;
  /** `install_environment.json` of the prefix, where Spack left one. */
  readonly environment: unknown;
  /** URI of who is to be trusted for what is said here. */
  readonly builder: string;
  readonly job: BuildJob | undefined;
  /** ISO 8601. */
  readonly finishedOn: string | undefined;
}

/** The predicate that says what a package was built from, and by whom. */
export function provenance({ spec, graph, facts, environment, ...build }: Build): JsonObject {
  const { builder, job, finishedOn } = build;
  const about = describeEnvironment(environment);
  const spack = about["spack_version"];
  return {
    buildDefinition: {
      buildType,
      externalParameters: { spec: formatFull(spec), hash: spec.hash },
      internalParameters: {
        ...(packageHash(spec) === undefined ? {} : { packageHash: packageHash(spec) }),
        environment: about,
        ...(job === undefined ? {} : { variables: job.variables }),
      },
      resolvedDependencies: [
        ...(job === undefined ? [] : [job.source]),
        ...sourceOf(spec, facts),
        ...closure(graph, { roots: [spec.hash] })
          .filter(({ hash }) => hash !== spec.hash)
          .map((dependency) => dependencyOf(dependency, { facts, manifestOf: build.manifestOf })),
      ],
    },
    runDetails: {
      builder: { id: builder, ...(spack === undefined ? {} : { version: { spack } }) },
      metadata: {
        ...(job === undefined ? {} : { invocationId: job.invocation }),
        ...(finishedOn === undefined ? {} : { finishedOn }),
      },
    },
  };
}

/** The source, as far as the recipe or the spec names it. */
function sourceOf(spec: ConcreteSpec, facts: KnownFacts): Resource[] {
  const known = facts.of(spec);
  const commit = commitOf(spec);
  const digest = {
    ...Object.fromEntries(
      (known?.checksums ?? [])
        .filter(({ value }) => value !== commit)
        .map(({ algorithm, value }) => [algorithm.toLowerCase(), value]),
    ),
    ...(commit === undefined ? {} : { gitCommit: commit }),
  };
  const uri = known?.download;
  if (uri === undefined && Object.keys(digest).length === 0) return [];
  return [{ name: "source", ...(uri === undefined ? {} : { uri }), digest }];
}

/** The commit that a spec was built of: its variant `commit`, or its git version. */
function commitOf({ parameters, version }: ConcreteSpec): string | undefined {
  const variant = parameters["commit"];
  const text = typeof variant === "string" ? variant : version.replace(/^git\.|=.*$/g, "");
  return /^[0-9a-f]{40}$/.test(text) ? text : undefined;
}

function dependencyOf(
  spec: ConcreteSpec,
  { facts, manifestOf }: Pick<Build, "facts" | "manifestOf">,
): Resource {
  const manifest = manifestOf(spec.hash);
  return {
    name: formatShort(spec),
    uri: packageUrl(spec, facts.of(spec)),
    ...(manifest === undefined ? {} : { digest: { sha256: manifest.replace(/^sha256:/, "") } }),
    annotations: {
      spackDagHash: spec.hash,
      ...(spec.external === undefined ? {} : { external: true }),
    },
  };
}

const packageHash = ({ node }: ConcreteSpec): unknown => node["package_hash"];

/** What it was built on; not on which machine, whose name is nobody's business. */
function describeEnvironment(environment: unknown): Record<string, string> {
  if (!isObject(environment)) return {};
  const told = ["spack_version", "host_os", "platform", "host_target", "kernel_version"];
  return Object.fromEntries(
    told.flatMap((name) => {
      const value = environment[name];
      return typeof value === "string" ? [[name, value]] : [];
    }),
  );
}
