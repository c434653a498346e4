import { existsSync } from "node:fs";
import { readFile } from "node:fs/promises";
import { availableParallelism } from "node:os";
import { join } from "node:path";
import type { Call } from "../base/call.js";
import type { JsonObject } from "../base/decode.js";
import { Failure } from "../base/failure.js";
import { mapLimited } from "../base/limit.js";
import type { OciEntry } from "../buildcache/entry.js";
import { packageTag } from "../buildcache/tag.js";
import { createWorkers } from "../io/workers/pool.js";
import { diskFailure, systemCodeOf } from "../io/disk/disk-failure.js";
import type { Digest } from "../oci/digest.js";
import { parseJson } from "../oci/json.js";
import type { Repository } from "../oci/repository.js";
import { graphOfDatabase } from "../push/plan.js";
import { prefixesOf } from "../push/prefixes.js";
import { buildJob } from "../sbom/build-job.js";
import { provenance } from "../sbom/provenance.js";
import type { ConcreteSpec } from "../spec/concrete-spec.js";
import type { DagHash } from "../spec/dag-hash.js";
import { formatShort } from "../spec/format-concrete.js";
import type { Context } from "./context.js";
import { openInstalled } from "./installed.js";
import { factsInPrefix } from "./known-facts.js";
import { createPacker } from "./packer.js";

/** What a store has built itself. */
export interface Builds extends AsyncDisposable {
  /** Whether it has a package that did not come from a build cache. */
  hasBuilt(hash: DagHash | undefined): boolean;
  /**
   * How a package was built, of which the mirror must have what is here: its tarball is made again, unless it is known.
   * @throws Failure `attest.not-built-here`, `attest.content-differs`
   */
  provenanceOf(entry: OciEntry): Promise<JsonObject>;
}

export interface BuildsOptions {
  /** Where dependencies are looked for. */
  readonly repository: Repository;
  readonly builder?: string | undefined;
  readonly sysroot?: string | undefined;
}

/** Requests for digests of dependencies at once. */
const requests = 16;

/**
 * @throws Failure `store.missing`; `attest.builder-unknown` where neither a CI job nor an option says who builds here
 */
export async function openBuilds(
  context: Context,
  { repository, sysroot, builder: given }: BuildsOptions,
): Promise<Builds> {
  const call: Call = { signal: context.signal, report: context.report };
  const job = buildJob(context.env);
  const builder = given ?? job?.builder;
  if (builder === undefined)
    throw new Failure("usage", "nothing says who builds here", {
      code: "attest.builder-unknown",
      hint: "Run it in the job of GitHub or GitLab that builds, or name the builder by a URI: --builder.",
    });
  if (!URL.canParse(builder))
    throw new Failure("usage", `the builder "${builder}" is no URI`, {
      code: "attest.builder-unknown",
      subject: builder,
      hint: "Write one that stands for who builds, as in https://example.org/builders/cluster.",
    });
  const { store, root, locate } = await openInstalled(context, sysroot);
  const database = await store.readDatabase(call);
  const { records } = database;
  const workers = createWorkers({ threads: context.jobs ?? availableParallelism() });
  const packer = await createPacker(workers, { cacheRoot: context.cacheRoot, locate });
  const installed = graphOfDatabase(database, []);
  const digests = new Map<DagHash, Promise<Digest | undefined>>();

  const prefixOf = (hash: DagHash): string | undefined => {
    const record = records.get(hash);
    return record?.installed === true && record.path !== undefined ? locate(record.path) : undefined;
  };
  // Where a package comes out of a build cache, its tarball has this file.
  const isBuilt = (prefix: string): boolean => !existsSync(join(prefix, ".spack/binary_distribution"));
  const digestOf = (spec: ConcreteSpec): Promise<Digest | undefined> => {
    const known =
      digests.get(spec.hash) ??
      repository.manifests.stat(packageTag(spec), call).then((found) => found?.digest);
    digests.set(spec.hash, known);
    return known;
  };

  /** The digest of a package's tarball, uncompressed: whoever pushes it has chosen how to compress it. */
  async function diffIdOf(spec: ConcreteSpec, prefix: string): Promise<Digest> {
    const request = {
      hash: spec.hash,
      subject: formatShort(spec),
      prefix,
      storeRoot: root,
      spackPrefix: context.spack ?? root,
      prefixes: prefixesOf(installed, spec, (hash) => records.get(hash)?.path),
    };
    const known = await packer.recall(request, call);
    if (known !== undefined) return known.diffId;
    await using packed = await packer.pack(request, call);
    return packed.diffId;
  }

  return {
    [Symbol.asyncDispose]: () => workers[Symbol.asyncDispose](),
    hasBuilt(hash) {
      const prefix = hash === undefined ? undefined : prefixOf(hash);
      return prefix !== undefined && isBuilt(prefix);
    },
    async provenanceOf({ spec, graph, label, diffId }) {
      const prefix = prefixOf(spec.hash);
      if (prefix === undefined || !isBuilt(prefix))
        throw new Failure(
          "not-found",
          `${formatShort(spec)} was not built in ${root}: ${prefix === undefined ? "it is not installed there" : "it came from a build cache"}`,
          {
            code: "attest.not-built-here",
            subject: formatShort(spec),
            hint: "Run it where the package was built, or give what is to be said: --predicate FILE --type URI.",
          },
        );
      if ((await diffIdOf(spec, records.get(spec.hash)?.path ?? prefix)) !== diffId)
        throw new Failure("conflict", `${label} has another ${formatShort(spec)} than was built in ${root}`, {
          code: "attest.content-differs",
          subject: formatShort(spec),
          hint: "Its tarball is not of what is installed here: push it with `stowage buildcache push --force`.",
        });
      const dependencies = [...graph.nodes.values()].filter(
        ({ hash, external }) => hash !== spec.hash && external === undefined,
      );
      const found = await mapLimited(
        dependencies,
        requests,
        async (one) => [one.hash, await digestOf(one)] as const,
      );
      const manifests = new Map(found);
      const seconds = records.get(spec.hash)?.installationTime;
      return provenance({
        spec,
        graph,
        facts: await factsInPrefix(prefix),
        manifestOf: (hash) => manifests.get(hash),
        environment: await environmentIn(prefix),
        builder,
        job,
        finishedOn: seconds === undefined ? undefined : new Date(seconds * 1000).toISOString(),
      });
    },
  };
}

/** What Spack notes of the machine that it builds on. */
async function environmentIn(prefix: string): Promise<unknown> {
  const path = join(prefix, ".spack/install_environment.json");
  try {
    return parseJson(await readFile(path), path);
  } catch (error) {
    if (systemCodeOf(error) === "ENOENT") return undefined;
    throw diskFailure(error, { doing: "read", path });
  }
}
